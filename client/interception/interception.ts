import type { Socket } from 'node:net'
import { systemClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { loadNative, type NativeAddon } from '../native/native.ts'
import type { Opening } from '../protection/exemptions.ts'
import { datagramCalls, sendMade } from './datagram-calls.ts'
import { DatagramFlows } from './datagram-flows.ts'
import { DatagramListener } from './datagram-listener.ts'
import { type AnswerDns, answerConnection, answerDatagrams, DNS_PORT } from './dns-capture.ts'
import { ExpectedFlows } from './expected-flows.ts'
import { hasRules, removeRules } from './firewall.ts'
import type {
  DatagramTaker,
  DirectFlow,
  FlowEndpoint,
  Interception,
  InterceptionParts,
  ProgramSocket,
  Refusal,
  SeenFlow,
} from './interception-api.ts'
import { echoPacket } from './made-packet.ts'
import type { Verdict } from './marks.ts'
import { checkOwnTraffic } from './own-traffic.ts'
import { type EchoRequest, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from './packet.ts'
import { PacketQueue } from './packet-queue.ts'
import type { QueuedFlow } from './queue-messages.ts'
import { RedirectListener } from './redirect-listener.ts'
import type { RuleOptions } from './rules.ts'
import { trackedFlow } from './tracked-flow.ts'

export interface LinuxInterceptionOptions extends RuleOptions {
  /** Flows that may wait for a decision, and as many that may be on their way to the listener. Default 4096. */
  readonly maxPending?: number
}

/** What puts the rules in force and takes them out. */
export interface Firewall {
  /** A failure leaves nothing, or the computer blocked as it was. @throws Fault as `loadRules` */
  load(): Promise<void>
  /** See `Interception`. @throws Fault as `loadRules` */
  open(openings: readonly Opening[]): Promise<void>
  /** See `Interception`. @throws Fault as `loadRules` */
  askIncoming(asks: boolean): Promise<void>
  /** With `keepRules` the rules stay, and only what needs this process ends. @throws Fault as `removeRules` */
  remove(options: { readonly keepRules: boolean }): Promise<void>
}

export interface LinuxInterceptionParts extends InterceptionParts {
  readonly firewall: Firewall
}

const DEFAULT_MAX_PENDING = 4_096
/** So many flows of datagrams may be in use; a flow that is silent counts until it is forgotten. */
const MAX_DATAGRAM_FLOWS = 16_384
const TICK_MS = 500

const VERDICTS: Readonly<Record<Refusal, Verdict>> = { reset: 'block', unreachable: 'unreachable', drop: 'drop' }

type OnSocket = (socket: Socket | undefined) => void
type OpenTaker = (socket: ProgramSocket) => DatagramTaker

/**
 * Interception by the Linux kernel's firewall, for both address families: everything of this computer's programs that is
 * not loopback, neighbour discovery, the client's own or for a direct network is dropped, except new TCP connections and
 * flows of datagrams, whose first packet waits in a queue for the decision ("honest connect").
 *
 *     start: queue → listeners → rules        close: rules → queue → listeners
 *
 * The rules outlive this process if it is killed: then nothing leaves until the next start, which takes them over, or
 * `removeRules`.
 */
export class LinuxInterception implements Interception {
  readonly #parts: LinuxInterceptionParts
  readonly #options: LinuxInterceptionOptions
  readonly #native: NativeAddon
  readonly #listener: RedirectListener
  readonly #queue: PacketQueue
  readonly #expected: ExpectedFlows<OnSocket>
  readonly #datagramListener: DatagramListener
  readonly #datagrams: DatagramFlows
  /** Numbers of the flows without a decision. The queue's thread bounds and expires them. */
  readonly #undecided = new Set<number>()
  /** Flows that rules of an earlier run bring before there is a place to let them go to. */
  readonly #early: QueuedFlow[] = []
  #listening = false
  #ticking: NodeJS.Timeout | undefined
  #started: Promise<void> | undefined
  #closed: Promise<void> | undefined

  /** @throws Fault addon-missing */
  constructor(options: LinuxInterceptionOptions, parts: LinuxInterceptionParts) {
    const maxPending = options.maxPending ?? DEFAULT_MAX_PENDING
    const native = loadNative()
    this.#native = native
    this.#options = options
    this.#parts = parts
    this.#expected = new ExpectedFlows(maxPending)
    this.#listener = new RedirectListener(options.redirectPort, {
      native,
      onSocket: (source, destination, socket) => this.#arrived(source, destination, socket),
    })
    this.#datagramListener = new DatagramListener(options.redirectPort, {
      native,
      onDatagram: (route, bytes) => this.#datagrams.handle(route, bytes),
    })
    this.#datagrams = new DatagramFlows(MAX_DATAGRAM_FLOWS, {
      ...datagramCalls(native, options.redirectPort),
      send: (route, bytes, onGone) => this.#datagramListener.send(route, bytes, onGone),
      now: () => systemClock.now(),
    })
    this.#queue = new PacketQueue(
      { queueNum: options.queueNum, maxPending },
      {
        onFlow: (flow) => (this.#listening ? this.#offer(flow) : this.#early.push(flow)),
        onExpired: (flow) => void this.#undecided.delete(flow),
        onFailure: (fault) => {
          this.#abandonAll()
          parts.onFailure(fault)
        },
      },
    )
  }

  /** Removes the rules that an unclean end left behind; programs are connected directly again. @throws as `start` */
  static removeRules(): Promise<void> {
    return removeRules()
  }

  /** Are there rules, of this or an earlier run? @throws as `start` */
  static hasRules(): Promise<boolean> {
    return hasRules()
  }

  /**
   * Connections that programs have at this moment end, but those over loopback and to direct networks.
   *
   * @throws Fault port-in-use, queue-taken, capability-missing, program-missing, firewall-failed, options-invalid,
   *   cancelled (it was closed before)
   */
  start(): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(new Fault('cancelled'))
    this.#started ??= this.#start()
    return this.#started
  }

  open(openings: readonly Opening[]): Promise<void> {
    return this.#parts.firewall.open(openings)
  }

  askIncoming(asks: boolean): Promise<void> {
    return this.#parts.firewall.askIncoming(asks)
  }

  close({ keepRules = false }: { readonly keepRules?: boolean } = {}): Promise<void> {
    this.#closed ??= this.#close(keepRules)
    return this.#closed
  }

  async #start(): Promise<void> {
    checkOwnTraffic(this.#options.own)
    this.#ticking = setInterval(() => this.#tick(), TICK_MS)
    try {
      // First, because it tells best that another client is there.
      await this.#queue.start()
      await this.#listener.start()
      await this.#datagramListener.start()
      this.#listening = true
      for (const flow of this.#early.splice(0)) this.#offer(flow)
      await this.#parts.firewall.load()
    } catch (error) {
      await this.#stopServing()
      throw error
    }
  }

  /** A start that failed has left the rules as they were, maybe those of another client: they are not ours to remove. */
  async #close(keepRules: boolean): Promise<void> {
    const started = await this.#started?.then(
      () => true,
      () => false,
    )
    if (started !== true) return
    try {
      await this.#parts.firewall.remove({ keepRules })
    } finally {
      await this.#stopServing()
    }
  }

  async #stopServing(): Promise<void> {
    clearInterval(this.#ticking)
    await this.#queue.close()
    await this.#listener.close()
    this.#abandonAll()
    await this.#datagramListener.close()
  }

  #offer(queued: QueuedFlow): void {
    this.#undecided.add(queued.flow)
    if (queued.incoming) this.#offerIncoming(queued)
    else if (queued.echo !== undefined) this.#offerEcho(queued, queued.echo)
    else if (queued.destination.port === DNS_PORT && this.#parts.onDns !== undefined) {
      this.#answerNames(queued, this.#parts.onDns)
    } else if (queued.kind === 'tcp') this.#offerConnection(queued)
    else this.#offerDatagrams(queued)
  }

  #offerConnection({ flow, kind: _, ...facts }: QueuedFlow): void {
    const admit = (onSocket: OnSocket) => this.#admitConnection(flow, facts, onSocket)
    const direct = () => this.#direct(flow, PROTOCOL_TCP, facts)
    this.#parts.onFlow({ ...facts, admit, refuse: (how) => this.#refuse(flow, how), direct })
  }

  #offerIncoming({ flow, kind, ...facts }: QueuedFlow): void {
    if (kind === 'echo' || this.#parts.onIncoming === undefined) return this.#settle(flow, 'drop')
    const letIn = () => this.#direct(flow, kind === 'tcp' ? PROTOCOL_TCP : PROTOCOL_UDP, facts)
    this.#parts.onIncoming({ ...facts, protocol: kind, letIn, drop: () => this.#settle(flow, 'drop') })
  }

  #offerDatagrams({ flow, kind: _, ...facts }: QueuedFlow): void {
    const admit = (open: OpenTaker, group?: string) => this.#admitDatagrams(flow, facts, open, group)
    const direct = () => this.#direct(flow, PROTOCOL_UDP, facts)
    this.#parts.onDatagrams({ ...facts, admit, refuse: (how) => this.#refuse(flow, how), direct })
  }

  #admitConnection(flow: number, { source, destination }: SeenFlow, onSocket: OnSocket): void {
    if (!this.#undecided.delete(flow)) return queueMicrotask(() => onSocket(undefined))
    // Known before the packet goes on: the connection may be here before anything else happens.
    const isExpected = this.#expected.put(source, destination, onSocket, systemClock.now(), (older) => older(undefined))
    this.#queue.settle(flow, isExpected ? 'tunnel' : 'drop')
    if (!isExpected) queueMicrotask(() => onSocket(undefined))
  }

  #admitDatagrams(flow: number, facts: SeenFlow, open: OpenTaker, group?: string): void {
    if (!this.#undecided.delete(flow)) return
    this.#queue.settle(flow, this.#datagrams.admit(facts, open, group) ? 'tunnel' : 'drop')
  }

  #offerEcho({ flow, source, destination, uid, forwarded, sockets }: QueuedFlow, echo: EchoRequest): void {
    const ends = { source: source.address, destination: destination.address }
    const answer = (bytes: Uint8Array): void => {
      if (!this.#undecided.delete(flow)) return
      this.#queue.settle(flow, 'drop')
      sendMade(this.#native, echoPacket(ends.destination, ends.source, { ...echo, bytes }))
    }
    const refuse = (how: Refusal) => this.#refuse(flow, how)
    if (this.#parts.onEcho === undefined) return refuse('reset')
    const direct = () =>
      this.#direct(flow, source.address.length === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6, {
        source: { ...source, port: echo.identifier },
        destination,
      })
    this.#parts.onEcho({ ...ends, uid, forwarded, sockets, ...echo, answer, refuse, direct })
  }

  /** Whomever the program asks, it is let through to here. */
  #answerNames({ flow, kind, ...facts }: QueuedFlow, answer: AnswerDns): void {
    if (kind === 'udp')
      return this.#admitDatagrams(flow, facts, (socket) => answerDatagrams(facts, socket, answer), 'dns')
    this.#admitConnection(flow, facts, (socket) => socket && answerConnection(facts, socket, answer))
  }

  #refuse(flow: number, how: Refusal): void {
    this.#settle(flow, VERDICTS[how])
  }

  #direct(
    flow: number,
    protocol: number,
    { source, destination }: Pick<SeenFlow, 'source' | 'destination'>,
  ): DirectFlow {
    this.#settle(flow, 'direct')
    const ends: Parameters<NativeAddon['forgetFlow']> = [
      ...([protocol, source.address, source.port] as const),
      ...([destination.address, destination.port] as const),
    ]
    return trackedFlow(this.#native, ends, () => systemClock.now())
  }

  #settle(flow: number, verdict: Verdict): void {
    if (this.#undecided.delete(flow)) this.#queue.settle(flow, verdict)
  }

  #arrived(source: FlowEndpoint, destination: FlowEndpoint, socket: Socket): boolean {
    const onSocket = this.#expected.take(source, destination, systemClock.now())
    onSocket?.(socket)
    return onSocket !== undefined
  }

  #tick(): void {
    for (const onSocket of this.#expected.tick(systemClock.now())) onSocket(undefined)
    this.#datagrams.tick()
  }

  #abandonAll(): void {
    this.#undecided.clear()
    for (const onSocket of this.#expected.clear()) onSocket(undefined)
    this.#datagrams.clear()
  }
}
