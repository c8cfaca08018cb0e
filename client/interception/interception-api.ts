import type { Socket } from 'node:net'
import type { Fault } from '../../shared/base/fault.ts'
import type { IpAddress } from '../../shared/base/ip-address.ts'
import type { LocalSocket } from '../native/native.ts'

/** Takes every new connection of this computer's programs before its first packet leaves. One class per system. */
export interface Interception {
  /** From the moment this resolves nothing leaves unjudged. @throws Fault and leaves everything as it was */
  start(): Promise<void>
  /** Idempotent. With `keepRules` programs stay cut off until the next start (or the rules are removed explicitly). */
  close(options?: { readonly keepRules?: boolean }): Promise<void>
}

export interface InterceptionParts {
  /** A program wants a connection. It waits until the flow is admitted or refused, which may be done at once or later. */
  readonly onFlow: (flow: InterceptedFlow) => void
  /** Interception works no more. Traffic stays blocked; `close` and a new start are the repair. */
  readonly onFailure: (fault: Fault) => void
}

export interface FlowEndpoint {
  readonly address: IpAddress
  readonly port: number
}

/** How the program learns that it gets no connection: refused, no route to host, or nothing until its own timeout. */
export type Refusal = 'reset' | 'unreachable' | 'drop'

/**
 * One TCP connection that a program waits for. Nothing was sent for it yet, and nothing tells the program that
 * anybody is there before it is admitted. The first of `admit`, `refuse` and `direct` counts; a flow that sees none in time is
 * dropped, and an `admit` after that only reports that nobody came.
 */
export interface InterceptedFlow {
  readonly source: FlowEndpoint
  readonly destination: FlowEndpoint
  /** User id of the program; undefined if the system does not tell. */
  readonly uid: number | undefined
  /** The sockets that may have sent its first packet; none if the system does not know (any more). */
  readonly sockets: readonly LocalSocket[]
  /** Lets the program connect, to here. `onSocket` gets its connection once, or undefined if it never came. */
  admit(onSocket: (socket: Socket | undefined) => void): void
  refuse(how: Refusal): void
  /** Lets the program connect by itself, past the network: the destination and everybody on the way see this computer. */
  direct(): void
}
