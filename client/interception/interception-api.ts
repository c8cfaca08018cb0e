import type { Socket } from 'node:net'
import type { Fault } from '../../shared/base/fault.ts'
import type { IpAddress } from '../../shared/base/ip-address.ts'
import type { LocalSocket } from '../native/native.ts'
import type { Opening } from '../protection/exemptions.ts'

/** Takes every new connection of this computer's programs before its first packet leaves. One class per system. */
export interface Interception {
  /** From the moment this resolves nothing leaves unjudged. @throws Fault and leaves everything as it was */
  start(): Promise<void>
  /** What passes by itself for a while, in place of what did before. @throws Fault and leaves it as it was */
  open(openings: readonly Opening[]): Promise<void>
  /** Is what comes in asked about? From the start it is dropped. @throws Fault and leaves it as it was */
  askIncoming(asks: boolean): Promise<void>
  /** Idempotent. With `keepRules` programs stay cut off until the next start (or the rules are removed explicitly). */
  close(options?: { readonly keepRules?: boolean }): Promise<void>
}

export interface InterceptionParts {
  /** A program wants a connection. It waits until the flow is admitted or refused, which may be done at once or later. */
  readonly onFlow: (flow: InterceptedFlow) => void
  /** A program sends its first datagram to somebody. It waits in the same way, with those that follow. */
  readonly onDatagrams: (flow: InterceptedDatagrams) => void
  /**
   * A program asks for a name, whomever it asks: gives the answer, which the program gets as if from there. None if this
   * rejects. Without this, questions for names are flows like others.
   */
  readonly onDns?: ((asked: DnsAsked) => Promise<Uint8Array>) | undefined
  /**
   * A program wants an echo (ping). Its request waits for the answer or the refusal. Without this they are all refused.
   */
  readonly onEcho?: ((request: InterceptedEcho) => void) | undefined
  /** Somebody else wants a connection to this computer, or sends a first datagram. Only after `askIncoming`. */
  readonly onIncoming?: ((flow: IncomingFlow) => void) | undefined
  /** Interception works no more. Traffic stays blocked; `close` and a new start are the repair. */
  readonly onFailure: (fault: Fault) => void
}

export interface FlowEndpoint {
  readonly address: IpAddress
  readonly port: number
}

/** How the program learns that it gets no connection: refused, no route to host, or nothing until its own timeout. */
export type Refusal = 'reset' | 'unreachable' | 'drop'

/** A flow that the system lets go out past the network, without asking again. */
export interface DirectFlow {
  /** Does the system still know it? */
  isAlive(): boolean
  /** What comes next of it is judged like its first packet; a connection that is in the middle is reset. */
  end(): void
}

/** What the system tells of whoever wants something from the network. */
export interface SeenFlow {
  readonly source: FlowEndpoint
  readonly destination: FlowEndpoint
  /** User id of the program; undefined if the system does not tell. */
  readonly uid: number | undefined
  /** It comes from a guest that this computer forwards for: a container, a virtual machine; by which interface. */
  readonly forwarded: { readonly interface: string } | undefined
  /** The sockets that may have sent its first packet; none if the system does not know (any more), and of guests. */
  readonly sockets: readonly LocalSocket[]
}

/** What somebody else begins. Its source is not here, and its destination is. The first of both counts. */
export interface IncomingFlow extends SeenFlow {
  readonly protocol: 'tcp' | 'udp'
  letIn(): DirectFlow
  /** Whoever sends it hears nothing. */
  drop(): void
}

/** A question to a resolver. A message of DNS, without the length that TCP puts in front. */
export interface DnsAsked extends SeenFlow {
  readonly transport: 'udp' | 'tcp'
  readonly query: Uint8Array
}

/**
 * One TCP connection that a program waits for. Nothing was sent for it yet, and nothing tells the program that
 * anybody is there before it is admitted. The first of `admit`, `refuse` and `direct` counts; a flow that sees none in time is
 * dropped, and an `admit` after that only reports that nobody came.
 */
export interface InterceptedFlow extends SeenFlow {
  /** Lets the program connect, to here. `onSocket` gets its connection once, or undefined if it never came. */
  admit(onSocket: (socket: Socket | undefined) => void): void
  refuse(how: Refusal): void
  /** Lets the program connect by itself, past the network: the destination and everybody on the way see this computer. */
  direct(): DirectFlow
}

/**
 * Datagrams of a program's socket to one destination. The first of `admit`, `refuse` and `direct` counts; a flow that sees
 * none in time is dropped. The system forgets a silent flow after half a minute (two, once it was answered); when it comes
 * again it is judged again.
 */
export interface InterceptedDatagrams extends SeenFlow {
  /**
   * Lets them through. All destinations of one socket share a taker, which `open` makes for the first that is admitted.
   * A socket is its source, and its user; with a `group` only what is of the same group shares a taker.
   */
  admit(open: (socket: ProgramSocket) => DatagramTaker, group?: string): void
  refuse(how: Refusal): void
  /** Lets them go out as they are, around the network. */
  direct(): DirectFlow
}

/** Why datagrams are not delivered: nobody listens there, there is no way there, or somebody forbids it. */
export type Undelivered = 'refused' | 'unreachable' | 'prohibited'

/** A UDP socket of a program, as seen by whoever takes its datagrams. */
export interface ProgramSocket {
  readonly source: FlowEndpoint
  /** Has the program sent something there, not long ago? */
  hasAddressed(peer: FlowEndpoint): boolean
  /**
   * Gives the program a datagram that comes from `from`, whether the program has sent something there or not. Lost, as
   * any datagram may be, once the system has forgotten the program's flows, and if the right to send it is missing.
   */
  reply(from: FlowEndpoint, bytes: Uint8Array): void
  /** Tells the program what became of datagrams that it sent there, as the network does (ICMP). Lost like a reply. */
  undelivered(to: FlowEndpoint, why: Undelivered): void
  /** What the program sends there from now on is judged again, and nothing comes from there before. */
  forget(peer: FlowEndpoint): void
  /** No more of it: what the program sends from now on is judged again. Idempotent. The taker is not told. */
  close(): void
}

export interface DatagramTaker {
  /** The bytes are the taker's to keep. */
  datagram(destination: FlowEndpoint, bytes: Uint8Array): void
  /** The program was silent for long, its port is somebody else's, or interception ended. Nothing comes after it. */
  closed(): void
}

/**
 * One request for an echo. The first of `answer`, `refuse` and `direct` counts; one that sees none in time is dropped. Requests
 * larger than 2,048 bytes with their headers are refused before they come here.
 */
export interface InterceptedEcho extends Omit<SeenFlow, 'source' | 'destination'> {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly identifier: number
  readonly sequence: number
  readonly bytes: Uint8Array
  /** Brings the program the echo, in the name of the destination. Lost if the right for it is missing (CAP_NET_RAW). */
  answer(bytes: Uint8Array): void
  /** `reset` says that it is prohibited. */
  refuse(how: Refusal): void
  /** Lets this one, and those of the same ping that follow soon, go out as they are, around the network. */
  direct(): DirectFlow
}
