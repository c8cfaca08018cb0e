/** Runs on the user's machine of `thin-line.ts`: SOCKS port, address and port of the bulk server; prints one JSON line. */
import { SocksStream } from './socks-stream.ts'
import type { ThinLineResult } from './thin-line.ts'

const [socksPort, address, port] = process.argv.slice(2)
const proxy = { host: '127.0.0.1', port: Number(socksPort) }
const destination = { address: String(address), port: Number(port) }

const REQUESTS = 100
const PAUSE_MS = 50
const LEAD_MS = 5_000
/** More than the line moves. */
const ENDLESS = 1e15

async function firstByte(): Promise<number> {
  const start = performance.now()
  const stream = new SocksStream(proxy, destination)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  stream.onBytes = () => resolve()
  stream.onClose = () => reject(new Error('closed without a byte'))
  await stream.opened
  stream.ask(0)
  await promise
  const ms = performance.now() - start
  stream.close()
  return ms
}

async function firstBytes(): Promise<number[]> {
  const ms: number[] = []
  for (let i = 0; i < REQUESTS; i++) {
    await pass(PAUSE_MS)
    ms.push(await firstByte())
  }
  return ms
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

for (let i = 0; i < 20; i++) await firstByte()
const idleMs = await firstBytes()
let bytes = 0
const bulk = [new SocksStream(proxy, destination), new SocksStream(proxy, destination)]
for (const stream of bulk) {
  await stream.opened
  stream.onBytes = (count) => {
    bytes += count
  }
  stream.ask(ENDLESS)
}
await pass(LEAD_MS)
const [before, start] = [bytes, performance.now()]
const loadedMs = await firstBytes()
const bulkMegabits = ((bytes - before) * 8) / 1000 / (performance.now() - start)
const result: ThinLineResult = { idleMs, loadedMs, bulkMegabits }
console.log(JSON.stringify(result))
process.exit(0)
