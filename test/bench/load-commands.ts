/** What the load generator is asked, and what it answers: between two processes, as JSON. */
import type { SocksProxy } from './socks-stream.ts'

export interface LoadTarget {
  readonly proxy: SocksProxy
  /** The bulk server's, on all addresses of loopback. */
  readonly port: number
  /** Its addresses that connections take in turn; 127.0.0.1 if left out. */
  readonly addresses?: readonly string[]
  /** Each connection names a user of its own. */
  readonly ownUsers: boolean
}

export type LoadCommand = LoadTarget &
  (
    | { readonly op: 'bulk'; readonly streams: number; readonly leadSeconds: number; readonly seconds: number }
    | { readonly op: 'first-bytes'; readonly connections: number; readonly pauseSeconds: number }
    | { readonly op: 'churn'; readonly workers: number; readonly seconds: number }
  )

export interface BulkResult {
  readonly bytes: number
  /** Of each stream. */
  readonly streams: readonly number[]
  readonly seconds: number
}

export interface FirstBytesResult {
  /** From the call of connect to the first byte of the answer, of each connection. */
  readonly ms: readonly number[]
}

export interface ChurnResult {
  /** Connections that had their byte in time. */
  readonly inTime: number
  /** Those, and the last of each worker, which came too late. */
  readonly finished: number
  readonly failed: number
  readonly seconds: number
}

export type LoadMessage =
  /** What is counted begins now: the caller reads the CPU time of what it measures. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly cpuSeconds: number; readonly result: BulkResult | FirstBytesResult | ChurnResult }
  | { readonly kind: 'failed'; readonly reason: string }
