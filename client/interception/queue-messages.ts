import type { LocalSocket } from '../native/native.ts'
import type { FlowKind } from './opening.ts'
import type { PackedFlows } from './packed-flows.ts'
import type { EchoRequest } from './packet.ts'

/** What the queue's thread is started with. */
export interface QueueSettings {
  readonly queueNum: number
  /** Flows of each kind that may wait for a decision. */
  readonly maxPending: number
}

/** A flow that waits for a decision. Data alone, since it goes from one thread to another. */
export interface QueuedFlow {
  /** Number of the flow, never used again. */
  readonly flow: number
  readonly kind: FlowKind
  /** Somebody else began it: its source is not here. */
  readonly incoming: boolean
  /** The ports are 0 where there are none. */
  readonly source: { readonly address: Uint8Array; readonly port: number }
  readonly destination: { readonly address: Uint8Array; readonly port: number }
  readonly uid: number | undefined
  /** Those that may have sent the packet; none if they are closed already. */
  readonly sockets: readonly LocalSocket[]
  readonly forwarded: { readonly interface: string } | undefined
  /** Of the kind `echo`. */
  readonly echo: EchoRequest | undefined
}

/** From the queue's thread. */
export type QueueReport =
  | { readonly kind: 'ready' }
  /** The queue could not be opened; `code` is a fault's or an errno. The thread ends. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** Those that are plain, and the others. */
  | { readonly kind: 'flows'; readonly plain: PackedFlows; readonly others: readonly QueuedFlow[] }
  /** These flows waited too long and are dropped. */
  | { readonly kind: 'expired'; readonly flows: readonly number[] }

/** To the queue's thread. */
export type QueueOrder = { readonly kind: 'settle'; readonly decided: PackedFlows } | { readonly kind: 'close' }
