/** The thread that looks through processes, so that nobody else waits for /proc. */
import { parentPort } from 'node:worker_threads'
import { systemClock } from '../../shared/base/clock.ts'
import { hurry, THREAD_NICE } from '../native/hurry.ts'
import { type ExecWatch, loadNative } from '../native/native.ts'
import { ProcessFiles } from './process-files.ts'
import { type SearchOrder, type SearchReport, unpackSockets } from './search-messages.ts'
import { SocketSearch } from './socket-search.ts'

/** So many processes are looked at in one go. */
const PER_STEP = 4
/** After this time new questions get their turn. */
const TURN_MS = 2
const MAX_PROGRAMS = 4_096
/** So long a program is known that has ended. */
const KEEP_MS = 5_000

const port = parentPort
if (port === null) throw new Error('search-worker.ts runs in a worker thread')

hurry(THREAD_NICE)
const native = loadNative()
const search = new SocketSearch(new ProcessFiles(native, watchExecs()))
let isScheduled = false

port.on('message', (order: SearchOrder) => {
  search.add(unpackSockets(order))
  schedule()
})

function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(work)
}

function work(): void {
  isScheduled = false
  const end = systemClock.now() + TURN_MS
  const found: SearchReport['found'][number][] = []
  while (!search.isIdle && systemClock.now() < end) found.push(...search.step(PER_STEP))
  if (found.length > 0) port?.postMessage({ found } satisfies SearchReport)
  if (!search.isIdle) schedule()
}

/** Needs CAP_NET_ADMIN, and the first network namespace; without it a program that ended is unknown a little sooner. */
function watchExecs(): ExecWatch | undefined {
  try {
    return new native.ExecWatch({ maxPrograms: MAX_PROGRAMS, keepMs: KEEP_MS })
  } catch {
    return undefined
  }
}
