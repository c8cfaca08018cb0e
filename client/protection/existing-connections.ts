import { asFault } from '../../shared/base/fault.ts'
import { type IpRange, parseRange, rangeContains, sameIp } from '../../shared/base/ip-address.ts'
import { MARK_MASK, MARKS, type MarkName } from '../interception/marks.ts'
import { PROTOCOL_TCP } from '../interception/packet.ts'
import { type ListedSocket, loadNative } from '../native/native.ts'

const LOOPBACK = ['127.0.0.0/8', '::1/128'].flatMap((text) => parseRange(text) ?? [])

/**
 * Ends what began before the rules stood, both families; to be called when they stand. What the kernel remembers of
 * connections that nobody judged, or that an earlier run let out, is forgotten: their next packet is judged like a first
 * one, also of UDP. TCP sockets to the outside are closed: their programs learn at once that the connection is over.
 * Connections over loopback and to direct networks go on.
 *
 * @throws Fault addon-missing, internal. The rules drop what is left, so nothing leaves
 */
export function endExistingConnections(direct: readonly IpRange[]): void {
  forget(['none', 'direct'])
  asFaults(() => {
    const diag = new (loadNative().SocketDiag)()
    try {
      for (const { source, destination, cookie } of diag.list(PROTOCOL_TCP).filter((one) => mustEnd(one, direct))) {
        diag.destroy(PROTOCOL_TCP, source.address, source.port, destination.address, destination.port, cookie)
      }
    } finally {
      diag.close()
    }
  })
}

/**
 * Ends what passed by itself while the firewall was open: its next packet, of either side, is judged like a first one.
 *
 * @throws Fault addon-missing, internal
 */
export function endExemptConnections(): void {
  forget(['none', 'exempt'])
}

/**
 * What was led into the network goes its own way again; to be called when the rules are gone and no client takes it.
 *
 * @throws Fault addon-missing, internal
 */
export function endTunnelledConnections(): void {
  forget(['tunnel'])
}

function forget(marks: readonly MarkName[]): void {
  asFaults(() => {
    for (const mark of marks) loadNative().forgetConnections(MARKS[mark], MARK_MASK)
  })
}

function asFaults(run: () => void): void {
  try {
    run()
  } catch (error) {
    throw asFault(error)
  }
}

/** Does it leave this computer, to somewhere that is not direct? */
export function mustEnd(
  { source, destination }: Pick<ListedSocket, 'source' | 'destination'>,
  direct: readonly IpRange[],
): boolean {
  if (sameIp(source.address, destination.address)) return false
  return ![...LOOPBACK, ...direct].some((range) => rangeContains(range, destination.address))
}
