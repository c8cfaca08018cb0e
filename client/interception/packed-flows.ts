import type { LocalSocket } from '../native/native.ts'
import type { Verdict } from './marks.ts'
import type { QueuedFlow } from './queue-messages.ts'

/** Numbers in one block are copied between threads several times as fast as objects. */
export type PackedFlows = Float64Array<ArrayBuffer>

/** A decision about a flow. */
export type Decided = readonly [flow: number, verdict: Verdict]

const KINDS = ['tcp', 'udp'] as const
const VERDICTS = ['direct', 'block', 'drop', 'tunnel', 'unreachable'] as const satisfies readonly Verdict[]
const WORDS_PER_ADDRESS = 4
/**
 * Of each flow: number, kind, bytes of an address, both ports, user (-1: unknown), the words of both addresses, and inode
 * (0: no socket), user, cookie in two halves and control group of its socket.
 */
const PER_FLOW = 6 + 2 * WORDS_PER_ADDRESS + 5

/** Is it a flow as most are: begun by a program of this computer, whose socket is one or none? */
export function isPlain({ kind, incoming, forwarded, sockets }: QueuedFlow): boolean {
  return kind !== 'echo' && !incoming && forwarded === undefined && sockets.length <= 1
}

/** Of plain flows. */
export function packFlows(flows: readonly QueuedFlow[]): PackedFlows {
  const packed = new Float64Array(flows.length * PER_FLOW)
  let at = 0
  for (const { flow, kind, source, destination, uid, sockets } of flows) {
    packed[at++] = flow
    packed[at++] = kind === 'tcp' ? 0 : 1
    packed[at++] = source.address.length
    packed[at++] = source.port
    packed[at++] = destination.port
    packed[at++] = uid ?? -1
    at = packAddress(packed, at, source.address)
    at = packAddress(packed, at, destination.address)
    const [socket] = sockets
    packed[at++] = socket?.inode ?? 0
    packed[at++] = socket?.uid ?? 0
    packed[at++] = Number((socket?.cookie ?? 0n) >> 32n)
    packed[at++] = Number((socket?.cookie ?? 0n) & 0xffff_ffffn)
    packed[at++] = socket?.cgroup ?? 0
  }
  return packed
}

export function unpackFlows(packed: PackedFlows): QueuedFlow[] {
  const flows: QueuedFlow[] = []
  for (let at = 0; at < packed.length; at += PER_FLOW) {
    const number = (behind: number) => packed[at + behind] ?? 0
    const bytes = number(2)
    const uid = number(5)
    flows.push({
      flow: number(0),
      kind: KINDS[number(1)] ?? 'tcp',
      incoming: false,
      source: { address: unpackAddress(packed, at + 6, bytes), port: number(3) },
      destination: { address: unpackAddress(packed, at + 6 + WORDS_PER_ADDRESS, bytes), port: number(4) },
      uid: uid === -1 ? undefined : uid,
      sockets: unpackSocket(packed, at + 6 + 2 * WORDS_PER_ADDRESS),
      forwarded: undefined,
      echo: undefined,
    })
  }
  return flows
}

export function packDecided(decided: readonly Decided[]): PackedFlows {
  const packed = new Float64Array(decided.length * 2)
  let at = 0
  for (const [flow, verdict] of decided) {
    packed[at++] = flow
    packed[at++] = VERDICTS.indexOf(verdict)
  }
  return packed
}

export function unpackDecided(packed: PackedFlows): Decided[] {
  const decided: Decided[] = []
  for (let at = 0; at < packed.length; at += 2) {
    decided.push([packed[at] ?? 0, VERDICTS[packed[at + 1] ?? -1] ?? 'drop'])
  }
  return decided
}

function packAddress(into: PackedFlows, start: number, address: Uint8Array): number {
  let at = start
  for (let i = 0; i < address.length; i += 4) {
    const [a = 0, b = 0, c = 0, d = 0] = [address[i], address[i + 1], address[i + 2], address[i + 3]]
    into[at++] = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
  }
  return start + WORDS_PER_ADDRESS
}

function unpackAddress(packed: PackedFlows, at: number, bytes: number): Uint8Array {
  const address = new Uint8Array(bytes)
  for (let i = 0; i < bytes; i++) address[i] = (packed[at + (i >> 2)] ?? 0) >>> (24 - 8 * (i & 3))
  return address
}

function unpackSocket(packed: PackedFlows, at: number): readonly LocalSocket[] {
  const inode = packed[at] ?? 0
  if (inode === 0) return []
  const cookie = (BigInt(packed[at + 2] ?? 0) << 32n) | BigInt(packed[at + 3] ?? 0)
  return [{ inode, uid: packed[at + 1] ?? 0, cookie, cgroup: packed[at + 4] ?? 0 }]
}
