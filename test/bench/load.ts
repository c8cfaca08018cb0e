/** The load generator of the measurements, a process of its own: it is counted apart and slows nobody's event loop. */
import type {
  BulkResult,
  ChurnResult,
  FirstBytesResult,
  LoadCommand,
  LoadMessage,
  LoadTarget,
} from './load-commands.ts'
import { SocksStream } from './socks-stream.ts'

/** More than any measurement moves. */
const ENDLESS = 1e15
/** A connection that takes longer has failed. */
const CONNECTION_TIMEOUT_MS = 10_000

let users = 0
let cpuAtBegin = process.cpuUsage()

function tell(message: LoadMessage): void {
  process.send?.(message)
}

function begin(): void {
  cpuAtBegin = process.cpuUsage()
  tell({ kind: 'begin' })
}

function end(result: BulkResult | FirstBytesResult | ChurnResult): void {
  const { user, system } = process.cpuUsage(cpuAtBegin)
  tell({ kind: 'end', cpuSeconds: (user + system) / 1e6, result })
}

function connect({ proxy, port, addresses = ['127.0.0.1'], ownUsers }: LoadTarget): SocksStream {
  const address = addresses[users++ % addresses.length] as string
  return new SocksStream(proxy, { address, port }, ownUsers ? `user${process.pid}-${users}` : undefined)
}

function pass(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}

async function bulk(target: LoadTarget, streams: number, leadSeconds: number, seconds: number): Promise<void> {
  const open = Array.from({ length: streams }, () => connect(target))
  try {
    await Promise.all(open.map(({ opened }) => opened))
    const bytes = open.map(() => 0)
    let broken: Error | undefined
    for (const [i, stream] of open.entries()) {
      stream.onBytes = (count) => {
        bytes[i] = (bytes[i] as number) + count
      }
      stream.onClose = () => {
        broken = new Error('a stream closed')
      }
      stream.ask(ENDLESS)
    }
    await pass(leadSeconds)
    begin()
    const [before, start] = [[...bytes], performance.now()]
    await pass(seconds)
    const moved = bytes.map((count, i) => count - (before[i] as number))
    const total = moved.reduce((sum, count) => sum + count, 0)
    const result = { bytes: total, streams: moved, seconds: (performance.now() - start) / 1000 }
    end(result)
    if (broken !== undefined) throw broken
  } finally {
    for (const stream of open) stream.close()
  }
}

/** Opens a connection, asks for a byte, and closes when it has come. */
async function firstByte(target: LoadTarget): Promise<void> {
  const stream = connect(target)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error('no byte in time')), CONNECTION_TIMEOUT_MS)
  stream.onBytes = () => resolve()
  stream.onClose = () => reject(new Error('closed without a byte'))
  stream.opened.then(() => stream.ask(0), reject)
  await promise.finally(() => {
    clearTimeout(timer)
    stream.close()
  })
}

async function firstBytes(target: LoadTarget, connections: number, pauseSeconds: number): Promise<void> {
  begin()
  const ms: number[] = []
  for (let i = 0; i < connections; i++) {
    await pass(pauseSeconds)
    const start = performance.now()
    await firstByte(target)
    ms.push(performance.now() - start)
  }
  end({ ms })
}

async function churn(target: LoadTarget, workers: number, seconds: number): Promise<void> {
  begin()
  const until = performance.now() + seconds * 1000
  let [inTime, finished, failed] = [0, 0, 0]
  const work = async (): Promise<void> => {
    while (performance.now() < until) {
      try {
        await firstByte(target)
        finished++
        if (performance.now() < until) inTime++
      } catch {
        failed++
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  end({ inTime, finished, failed, seconds })
}

async function handle(command: LoadCommand): Promise<void> {
  switch (command.op) {
    case 'bulk':
      return bulk(command, command.streams, command.leadSeconds, command.seconds)
    case 'first-bytes':
      return firstBytes(command, command.connections, command.pauseSeconds)
    case 'churn':
      return churn(command, command.workers, command.seconds)
  }
}

process.on('message', (command: LoadCommand) => {
  handle(command).catch((error: Error) => tell({ kind: 'failed', reason: error.message }))
})
process.on('disconnect', () => process.exit(0))
