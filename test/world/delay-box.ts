/**
 * The long cables of the world, as a program in the router's namespace: every packet between two hosts waits in the
 * kernel's queue for the one-way delay of this pair. (The usual tool for this, netem, is not in every kernel.) Right to
 * about a millisecond while the machine has time for it, up to some 100,000 packets a second.
 *
 *     node delay-box.ts PLAN.json
 *
 * Writes `ready`, and a line of JSON (`DelayStats`) for every line that it reads.
 */
import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { loadNative } from '../../client/native/native.ts'
import { DelayLine } from './delay-line.ts'
import { DelayTable } from './delay-table.ts'

/** What the program is told: the number of the kernel's queue, and the delays. */
export interface DelayPlan {
  readonly queue: number
  /** Ranges of each host; hosts are known by their index from here on. */
  readonly ranges: readonly (readonly string[])[]
  /** One-way delay in ms from host i to host j at [i][j]. */
  readonly delaysMs: readonly (readonly number[])[]
}

/** What the program did since it started. Lateness is that of releases, in ms. */
export interface DelayStats {
  readonly packets: number
  readonly waiting: number
  readonly refused: number
  readonly meanLateMs: number
  readonly maxLateMs: number
}

const MAX_WAITING = 65_536
const RECEIVE_BUFFER_BYTES = 64 << 20
/** Up to the destination address of either header. */
const HEADER_BYTES = 40
/** Timers fire up to a millisecond late; releasing half of one early puts the error around zero. */
const EARLY_MS = 0.5

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as DelayPlan
const table = new DelayTable(plan.ranges, plan.delaysMs)
const line = new DelayLine(MAX_WAITING)
let timer: NodeJS.Timeout | undefined
let timerDueMs = Number.POSITIVE_INFINITY
let packets = 0
let refused = 0
let released = 0
let lateMs = 0
let maxLateMs = 0

try {
  setPriority(-15) // delays stay what they are while the machine is busy
} catch {
  // Only root may.
}

const { NfQueue } = loadNative()
const options = {
  queue: plan.queue,
  copyRange: HEADER_BYTES,
  maxLength: MAX_WAITING,
  receiveBuffer: RECEIVE_BUFFER_BYTES,
}
const queue = new NfQueue(options, (batch) => {
  const nowMs = performance.now()
  for (const { id, payload } of batch) {
    packets++
    const delayMs = table.delayOf(payload)
    if (delayMs < EARLY_MS) queue.verdict(id, true)
    else if (!line.hold(id, nowMs + delayMs)) {
      refused++
      queue.verdict(id, false)
    }
  }
  release()
})

createInterface(process.stdin).on('line', () => {
  const stats: DelayStats = {
    packets,
    waiting: line.size,
    refused,
    meanLateMs: lateMs / Math.max(1, released),
    maxLateMs,
  }
  console.log(JSON.stringify(stats))
})
console.log('ready')

function release(): void {
  const nowMs = performance.now()
  line.release(nowMs + EARLY_MS, (id, dueMs) => {
    released++
    lateMs += nowMs - dueMs
    maxLateMs = Math.max(maxLateMs, nowMs - dueMs)
    queue.verdict(id, true)
  })
  queue.flush()
  const next = line.nextDueMs
  if (next === undefined || (timer !== undefined && timerDueMs <= next)) return
  clearTimeout(timer)
  timerDueMs = next
  timer = setTimeout(() => {
    timer = undefined
    release()
  }, next - nowMs)
}
