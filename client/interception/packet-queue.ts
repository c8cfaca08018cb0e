import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Fault, isFault } from '../../shared/base/fault.ts'
import type { Verdict } from './marks.ts'
import { type Decided, packDecided, unpackFlows } from './packed-flows.ts'
import type { QueuedFlow, QueueOrder, QueueReport, QueueSettings } from './queue-messages.ts'

export interface PacketQueueParts {
  /** A new flow, which waits for `settle`. */
  readonly onFlow: (flow: QueuedFlow) => void
  /** A flow waited too long, and was dropped. */
  readonly onExpired: (flow: number) => void
  /** The queue's thread ended by itself. The kernel drops what would be queued from now on. */
  readonly onFailure: (fault: Fault) => void
}

/** A thread that has not ended by itself so long after it was told to is ended. */
const CLOSE_TIMEOUT_MS = 2_000

/** The packet queue as the main thread sees it: flows come, decisions go. */
export class PacketQueue {
  readonly #settings: QueueSettings
  readonly #parts: PacketQueueParts
  #worker: Worker | undefined
  #decided: Decided[] = []

  constructor(settings: QueueSettings, parts: PacketQueueParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** Resolves when the queue is bound. @throws Fault queue-taken, capability-missing, addon-missing, internal */
  async start(): Promise<void> {
    const worker = new Worker(new URL('./queue-worker.ts', import.meta.url), { workerData: this.#settings })
    this.#worker = worker
    await new Promise<void>((resolve, reject) => {
      const failed = (fault: Fault) => {
        if (this.#worker !== worker) return
        this.#worker = undefined
        reject(fault)
        if (bound) this.#parts.onFailure(fault)
      }
      let bound = false
      worker.on('message', (message: QueueReport) => {
        if (message.kind === 'failed') return failed(openFault(message.code, message.message))
        if (message.kind !== 'ready') return this.#handleReport(message)
        bound = true
        resolve()
      })
      worker.on('error', (error) => failed(isFault(error) ? error : new Fault('internal', { part: 'queue' }, error)))
      worker.on('exit', (code) => failed(new Fault('internal', { part: 'queue', exit: code })))
    })
  }

  /** What one turn decides goes to the queue's thread together. */
  settle(flow: number, verdict: Verdict): void {
    if (this.#decided.length === 0) queueMicrotask(() => this.#sendDecided())
    this.#decided.push([flow, verdict])
  }

  #sendDecided(): void {
    const decided = this.#decided
    this.#decided = []
    if (decided.length > 0) this.#order({ kind: 'settle', decided: packDecided(decided) })
  }

  /** Idempotent. Packets that wait are dropped. */
  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    this.#sendDecided()
    this.#order({ kind: 'close' })
    this.#worker = undefined
    const ended = once(worker, 'exit')
    const timer = setTimeout(() => void worker.terminate(), CLOSE_TIMEOUT_MS)
    await ended
    clearTimeout(timer)
  }

  #order(order: QueueOrder): void {
    this.#worker?.postMessage(order)
  }

  #handleReport(report: Extract<QueueReport, { kind: 'flows' | 'expired' }>): void {
    if (this.#worker === undefined) return
    if (report.kind === 'expired') for (const flow of report.flows) this.#parts.onExpired(flow)
    else for (const flow of [...unpackFlows(report.plain), ...report.others]) this.#parts.onFlow(flow)
  }
}

/** Why the queue could not be opened. Both errnos are told apart by the addon. */
function openFault(code: string, message: string): Fault {
  switch (code) {
    case 'EPERM':
      return new Fault('capability-missing', { capability: 'CAP_NET_ADMIN' })
    case 'EBUSY':
      return new Fault('queue-taken', { repair: 'end the other client first' })
    case 'addon-missing':
      return new Fault('addon-missing', { repair: 'run `npm run setup`' })
    default:
      return new Fault('internal', { part: 'queue', error: code }, new Error(message))
  }
}
