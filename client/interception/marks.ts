/**
 * The byte of a packet's mark, and of its connection's mark, that is ours. The other three bytes belong to whoever set
 * them and are kept. Every value that is not in `MARKS` counts as unjudged, which means dropped.
 */
export const MARK_MASK = 0xff00

export const MARKS = {
  /** Nobody judged it. */
  none: 0x000,
  /** Judged: goes out as it is, with all that follows of its connection. */
  direct: 0x100,
  /** Judged: refused, by a TCP reset or by ICMP "administratively prohibited". */
  block: 0x200,
  /** Judged: thrown away without a word. */
  drop: 0x300,
  /** Judged: redirected to the local listener, and may leave by no other interface than the loopback one. */
  tunnel: 0x400,
  /** Sent by the client itself. */
  own: 0x500,
  /** Judged: answered by ICMP "host unreachable" (IPv6: "address unreachable"). */
  unreachable: 0x600,
  /** Let through by a rule alone (a direct network, neighbour discovery): packet by packet, never for a connection. */
  exempt: 0x700,
  /**
   * In the queue only: the kernel remembers the flow from before, so that it could not be redirected. Datagrams that are
   * older than the rules, and a TCP connection that begins as another one did.
   */
  stale: 0x800,
  /** Of guests: everything may pass for a while. */
  opened: 0x900,
} as const

export type MarkName = keyof typeof MARKS

/** What a packet in the queue can be told. */
export type Verdict = Extract<MarkName, 'direct' | 'block' | 'drop' | 'tunnel' | 'unreachable'>

/** A verdict needs the packet's whole mark (a `u32`): ours in our byte, and the rest as it was. */
export function markFor(verdict: Verdict, packetMark: number): number {
  return ((packetMark & ~MARK_MASK) | MARKS[verdict]) >>> 0
}

export function isMarked(name: MarkName, packetMark: number): boolean {
  return (packetMark & MARK_MASK) === MARKS[name]
}
