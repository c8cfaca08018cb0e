/**
 * The thread that serves the packet queue, so that a busy main thread holds up no packet. Decides alone what needs no
 * question, asks the main thread about new flows, and passes on its decisions.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../shared/base/clock.ts'
import { isFault } from '../../shared/base/fault.ts'
import { hurry, THREAD_NICE } from '../native/hurry.ts'
import { type LocalSocket, loadNative, type NfQueue, type QueuedPacket, type SocketDiag } from '../native/native.ts'
import { FlowTable } from './flow-table.ts'
import { markFor, type Verdict } from './marks.ts'
import { type Packet, parsePacket } from './packet.ts'
import type { QueuedFlow, QueueOrder, QueueReport, QueueSettings } from './queue-messages.ts'

/** An IPv6 header, the longest TCP header and a few extension headers. */
const COPY_BYTES = 256
/** The kernel's own bound must not be reached before ours, which knows flows. */
const SPARE_PACKETS = 4_096
const BYTES_PER_PACKET = 1_024
const TICK_MS = 1_000

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
const table = new FlowTable<Waiting>({ maxPending: settings.maxPending, maxSettled: settings.maxPending })
let diag: SocketDiag | undefined
const queue = openQueue()
if (queue !== undefined) serve(queue)

function serve(open: NfQueue): void {
  const ticking = setInterval(() => expire(open), TICK_MS)
  port?.on('message', (order: QueueOrder) => {
    if (order.kind === 'settle') {
      const now = systemClock.now()
      for (const [flow, verdict] of order.flows) give(open, table.settle(flow, verdict, now), verdict)
      return open.flush()
    }
    clearInterval(ticking)
    open.close()
    port.close()
  })
  report({ kind: 'ready' })
}

function openQueue(): NfQueue | undefined {
  const maxLength = settings.maxPending + SPARE_PACKETS
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
  const asked: QueuedFlow[] = []
  const now = systemClock.now()
  for (const { id, mark, uid, payload } of packets) {
    const packet = parsePacket(payload)
    const decision = table.decide(packet, { id, mark }, now)
    if (decision.kind === 'verdict') queue?.verdict(id, decision.verdict !== 'drop', markFor(decision.verdict, mark))
    else if (decision.kind === 'ask' && packet?.ports !== undefined) {
      asked.push({
        flow: decision.flow,
        source: { address: packet.source, port: packet.ports.source },
        destination: { address: packet.destination, port: packet.ports.destination },
        uid,
        sockets: socketsOf(packet, packet.ports),
      })
    }
  }
  if (asked.length > 0) report({ kind: 'flows', flows: asked })
}

/** On the spot, as long as the socket is there: it takes some microseconds. */
function socketsOf(packet: Packet, ports: NonNullable<Packet['ports']>): readonly LocalSocket[] {
  try {
    return diag?.find(packet.protocol, packet.source, ports.source, packet.destination, ports.destination) ?? []
  } catch {
    return []
  }
}

function give(open: NfQueue, packets: readonly Waiting[], verdict: Verdict): void {
  for (const { id, mark } of packets) open.verdict(id, verdict !== 'drop', markFor(verdict, mark))
}

function expire(open: NfQueue): void {
  const late = table.tick(systemClock.now())
  for (const { packets } of late) give(open, packets, 'drop')
  open.flush()
  if (late.length > 0) report({ kind: 'expired', flows: late.map(({ flow }) => flow) })
}
