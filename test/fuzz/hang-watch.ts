import { Worker } from 'node:worker_threads'
import { CRASHES } from './corpus.ts'

/** An input may keep the thread busy for so long. */
const MAX_BUSY_MS = 20_000
const COUNT = 0
const LENGTH = 1
const HEAD_BYTES = 8

/** Ends the process when one input takes too long, and says which: nothing within its thread could. */
export interface HangWatch {
  onRun(input: Uint8Array): void
  close(): Promise<unknown>
}

/**
 * The other thread: sees that the counter stands still, writes the input, ends the process.
 * Plain JavaScript, because it is handed over as text.
 */
const WATCHER = `
const { workerData: { shared, target, maxBusyMs, headBytes, folder } } = require('node:worker_threads')
const { mkdirSync, writeFileSync } = require('node:fs')
const head = new Int32Array(shared, 0, 2)
let count = -1, since = Date.now()
setInterval(() => {
  const now = Date.now()
  if (Atomics.load(head, 0) !== count) { count = Atomics.load(head, 0); since = now; return }
  if (now - since < maxBusyMs) return
  mkdirSync(folder, { recursive: true })
  const file = folder + target + '-hang'
  writeFileSync(file, new Uint8Array(shared, headBytes, Atomics.load(head, 1)))
  process.stderr.write('one input took longer than ' + maxBusyMs + ' ms\\nagain: npm run fuzz -- ' + target + ' --input ' + file + '\\n')
  process.kill(process.pid, 'SIGKILL')
}, 1000)
`

export function watchForHangs(target: string, maxBytes: number): HangWatch {
  const shared = new SharedArrayBuffer(HEAD_BYTES + maxBytes)
  const head = new Int32Array(shared, 0, 2)
  const bytes = new Uint8Array(shared, HEAD_BYTES)
  const folder = CRASHES
  const workerData = { shared, target, maxBusyMs: MAX_BUSY_MS, headBytes: HEAD_BYTES, folder }
  const worker = new Worker(WATCHER, { eval: true, workerData })
  worker.unref()
  return {
    onRun: (input) => {
      const length = Math.min(input.length, bytes.length)
      bytes.set(input.subarray(0, length))
      head[LENGTH] = length
      Atomics.add(head, COUNT, 1)
    },
    close: () => worker.terminate(),
  }
}
