import { asFault } from '../../shared/base/fault.ts'
import { formatRange, type IpRange } from '../../shared/base/ip-address.ts'
import { callFirewall } from '../interception/firewall-program.ts'
import { MARK_MASK, MARKS, type MarkName } from '../interception/marks.ts'
import { loadNative } from '../native/native.ts'

const LOOPBACK = ['127.0.0.0/8', '[::1]'] as const

/**
 * Ends what began before the rules stood, both families; to be called when they stand. What the kernel remembers of
 * connections that nobody judged, or that an earlier run let out, is forgotten: their next packet is judged like a first
 * one, also of UDP. TCP sockets to the outside are closed: their programs learn at once that the connection is over.
 * Connections over loopback and to direct networks go on.
 *
 * @throws Fault firewall-failed, program-missing, addon-missing. The rules drop what is left, so nothing leaves
 */
export async function endExistingConnections(direct: readonly IpRange[]): Promise<void> {
  forget(['none', 'direct'])
  await callFirewall('ss', ['--kill', '--tcp', '--no-header', '--numeric', closable(direct)], '')
}

/**
 * Ends what passed by itself while the firewall was open: its next packet, of either side, is judged like a first one.
 *
 * @throws Fault addon-missing, internal
 */
export function endExemptConnections(): void {
  forget(['none', 'exempt'])
}

function forget(marks: readonly MarkName[]): void {
  const native = loadNative()
  try {
    for (const mark of marks) native.forgetConnections(MARKS[mark], MARK_MASK)
  } catch (error) {
    throw asFault(error)
  }
}

/** Which sockets to close, in the language of `ss`. */
export function closable(direct: readonly IpRange[]): string {
  const kept = [...LOOPBACK, ...direct.map(rangeText)]
  return kept.map((range) => `not dst ${range}`).join(' and ')
}

function rangeText(range: IpRange): string {
  return range.address.length === 4 ? formatRange(range) : `[${formatRange(range)}]`
}
