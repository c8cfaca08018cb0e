import type { DnsAsk } from '../../shared/dns/dns-query.ts'

/** Somebody in the world who answers queries. */
export interface Upstream {
  /** For the user's own eyes: `exit`, `tls://dns.example`, `https://dns.example/dns-query`. */
  readonly name: string
  /**
   * @param isolation what shares a key may share a circuit
   * @returns a whole response to this question
   * @throws Fault, or whatever else went wrong
   */
  ask(ask: DnsAsk, isolation: string, signal: AbortSignal): Promise<Uint8Array>
  /** The way that this key has is no good: the next query takes another. */
  renew(isolation: string): void
  /** Circuits that are open. */
  readonly circuits: number
  tick(now: number): void
  close(): void
}
