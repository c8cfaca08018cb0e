/**
 * The thread that serves the packet queue, so that a busy main thread holds up no packet. Decides alone what needs no
 * question, asks the main thread about new flows, and passes on its decisions.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../shared/base/clock.ts'
import { isFault } from '../../shared/base/fault.ts'
import { hurry, THREAD_NICE } from '../native/hurry.ts'
import { type LocalSocket, loadNative, type NfQueue, type QueuedPacket, type SocketDiag } from '../native/native.ts'
import { echoSockets } from './echo-sockets.ts'
import { FlowTable } from './flow-table.ts'
import { isMarked, markFor, type Verdict } from './marks.ts'
import { FLOW_LIMITS, type FlowKind, openingOf, type TableName } from './opening.ts'
import { OutsideInterfaces } from './outside-interfaces.ts'
import { isPlain, packFlows, unpackDecided } from './packed-flows.ts'
import { type Packet, parsePacket } from './packet.ts'
import type { QueuedFlow, QueueOrder, QueueReport, QueueSettings } from './queue-messages.ts'

/** Whole packets of the usual size: of a request for an echo all is needed, of others an IPv6 header and some more. */
const COPY_BYTES = 2_048
/** Requests for an echo that may wait for their answer. */
const MAX_ECHOES = 256
/** Flows that come in that may wait for their verdict. */
const MAX_INCOMING = 1_024
/** The kernel's own bound must not be reached before ours, which knows flows. */
const SPARE_PACKETS = 4_096
const BYTES_PER_PACKET = 1_024
const TICK_MS = 1_000
/** Number of the netfilter hook. */
const PREROUTING = 0
const INPUT = 1

/** What a verdict needs of a packet that waits. */
interface Waiting {
  readonly id: number
  readonly mark: number
}

const port = parentPort
if (port === null) throw new Error('queue-worker.ts runs in a worker thread')
const settings = workerData as QueueSettings
const report = (message: QueueReport) => port.postMessage(message)

hurry(THREAD_NICE)
const outside = new OutsideInterfaces(() => systemClock.now())
let diag: SocketDiag | undefined
let lastFlow = 0
const limits = { maxPending: settings.maxPending, maxSettled: settings.maxPending }
const tableOf = (kind: FlowKind) => new FlowTable<Waiting>({ ...limits, ...FLOW_LIMITS[kind] }, () => ++lastFlow)
const tables: Readonly<Record<TableName, FlowTable<Waiting>>> = {
  tcp: tableOf('tcp'),
  udp: tableOf('udp'),
  echo: new FlowTable({ ...FLOW_LIMITS.echo, maxPending: MAX_ECHOES, maxSettled: 0 }, () => ++lastFlow),
  incoming: new FlowTable({ ...FLOW_LIMITS.udp, maxPending: MAX_INCOMING, maxSettled: MAX_INCOMING }, () => ++lastFlow),
}
const queue = openQueue()
if (queue !== undefined) serve(queue)

function serve(open: NfQueue): void {
  const ticking = setInterval(() => expire(open), TICK_MS)
  port?.on('message', (order: QueueOrder) => {
    if (order.kind === 'settle') {
      for (const [flow, verdict] of unpackDecided(order.decided)) settle(flow, verdict)
      return open.flush()
    }
    clearInterval(ticking)
    open.close()
    port.close()
  })
  report({ kind: 'ready' })
}

function openQueue(): NfQueue | undefined {
  const maxLength = 2 * settings.maxPending + SPARE_PACKETS
  const options = {
    queue: settings.queueNum,
    copyRange: COPY_BYTES,
    maxLength,
    receiveBuffer: maxLength * BYTES_PER_PACKET,
  }
  try {
    const native = loadNative()
    diag = new native.SocketDiag()
    return new native.NfQueue(options, onPackets)
  } catch (error) {
    const code = isFault(error) || (error instanceof Error && 'code' in error) ? String(error.code) : 'internal'
    report({ kind: 'failed', code, message: error instanceof Error ? error.message : '' })
    return undefined
  }
}

function onPackets(packets: readonly QueuedPacket[]): void {
  const now = systemClock.now()
  const asked = packets.flatMap((packet) => handle(packet, now) ?? [])
  if (asked.length === 0) return
  report({ kind: 'flows', plain: packFlows(asked.filter(isPlain)), others: asked.filter((flow) => !isPlain(flow)) })
}

/** Gives the flow that has to be asked about, if there is one. */
function handle(queued: QueuedPacket, now: number): QueuedFlow | undefined {
  const { id, mark, uid, payload } = queued
  const forwarded = guestOf(queued)
  // Whoever is outside is no guest, and gets no answer.
  if (forwarded !== undefined && outside.has(forwarded.interface)) return decided(id, mark, 'drop')
  const packet = parsePacket(payload)
  const opening = openingOf(packet)
  if (typeof opening === 'string') return decided(id, mark, opening)
  if (isMarked('stale', mark)) {
    const repeated = opening.kind === 'tcp' ? tables.tcp.verdictOn(opening.key, now) : undefined
    if (repeated === undefined) forget(packet)
    return decided(id, mark, repeated ?? 'drop')
  }
  const incoming = queued.hook === INPUT
  const decision = tables[incoming ? 'incoming' : opening.kind].decide(opening.key, { id, mark }, now)
  if (decision.kind === 'verdict') return decided(id, mark, decision.verdict)
  if (decision.kind === 'wait' || packet === undefined) return undefined
  const { flow } = decision
  const sockets = forwarded !== undefined ? [] : incoming ? listenersOf(packet) : socketsOf(packet, uid)
  return { flow, kind: opening.kind, incoming, ...endsOf(packet), uid, forwarded, sockets, echo: packet.echo }
}

/** On the spot, as long as the socket is there: it takes some microseconds. */
function socketsOf(packet: Packet, uid: number | undefined): readonly LocalSocket[] {
  const { protocol, family, source, destination, ports, echo } = packet
  if (echo !== undefined) return echoSockets(family, echo.identifier, uid)
  if (ports === undefined) return []
  try {
    return diag?.find(protocol, source, ports.source, destination, ports.destination) ?? []
  } catch {
    return []
  }
}

/** Those that would take it. */
function listenersOf({ protocol, destination, ports }: Packet): readonly LocalSocket[] {
  try {
    return diag?.findListening(protocol, destination, ports?.destination ?? 0) ?? []
  } catch {
    return []
  }
}

/** Where the packet came in, if it is not this computer's own. */
function guestOf({ hook, inInterface }: QueuedPacket): QueuedFlow['forwarded'] {
  if (hook !== PREROUTING) return undefined
  return { interface: (inInterface === undefined ? undefined : loadNative().interfaceName(inInterface)) ?? '' }
}

function endsOf({ source, destination, ports }: Packet): Pick<QueuedFlow, 'source' | 'destination'> {
  return {
    source: { address: source, port: ports?.source ?? 0 },
    destination: { address: destination, port: ports?.destination ?? 0 },
  }
}

/** The flow can not be redirected any more. Forgotten, it is new with its next packet. */
function forget(packet: Packet | undefined): void {
  if (packet?.ports === undefined) return
  const { protocol, source, destination, ports } = packet
  try {
    loadNative().forgetFlow(protocol, source, ports.source, destination, ports.destination)
  } catch {
    // It is forgotten already, or will be asked for again.
  }
}

function decided(id: number, mark: number, verdict: Verdict): undefined {
  queue?.verdict(id, verdict !== 'drop', markFor(verdict, mark))
}

function settle(flow: number, verdict: Verdict): void {
  const now = systemClock.now()
  for (const table of Object.values(tables)) give(table.settle(flow, verdict, now), verdict)
}

function give(packets: readonly Waiting[], verdict: Verdict): void {
  for (const { id, mark } of packets) decided(id, mark, verdict)
}

function expire(open: NfQueue): void {
  const now = systemClock.now()
  const late = Object.values(tables).flatMap((table) => table.tick(now))
  for (const { packets } of late) give(packets, 'drop')
  open.flush()
  if (late.length > 0) report({ kind: 'expired', flows: late.map(({ flow }) => flow) })
}
