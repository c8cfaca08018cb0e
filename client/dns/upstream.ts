import type { DnsAsk } from '../../shared/dns/dns-query.ts'
import type { DnsWay } from './dns-way.ts'

/** Somebody in the world who answers queries. */
export interface Upstream {
  /** For the user's own eyes: `exit`, `tls://dns.example`, `https://dns.example/dns-query`. */
  readonly name: string
  /**
   * @returns a whole response to this question
   * @throws Fault, or whatever else went wrong
   */
  ask(ask: DnsAsk, way: DnsWay, signal: AbortSignal): Promise<Uint8Array>
  /** The circuit that this way has is no good: the next query takes another. */
  renew(way: DnsWay): void
  /** Circuits that are open. */
  readonly circuits: number
  tick(now: number): void
  close(): void
}
