/**
 * A program that makes connections when it is told to, one line of JSON each, and says what came of them:
 * {"id", "op": "tcp" | "hold" | "write" | "udp" | "listen" | "push" | "end" | "reset" | "sink" | "talk", "host", "port", "localPort", "localAddress", "text", "timeoutMs", "of", "to", "connected", "answers"}.
 */
import { createSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

interface Command {
  readonly id: number
  readonly op: 'tcp' | 'hold' | 'write' | 'udp' | 'listen' | 'push' | 'end' | 'reset' | 'sink' | 'talk'
  readonly host: string
  readonly port: number
  readonly localPort?: number
  readonly localAddress?: string
  readonly text?: string
  readonly timeoutMs?: number
  /** For `write`, `end` and `reset`: the id of the connection that `hold` made. */
  readonly of?: number
  /** For `talk`: a datagram of this text for each, in this order, once so many came back and so much time passed then. */
  readonly to?: readonly {
    readonly host: string
    readonly port: number
    readonly text?: string
    readonly afterAnswers?: number
    readonly afterMs?: number
  }[]
  /** For `talk`: to the first of them alone. */
  readonly connected?: boolean
  /** For `talk`: so many, or an error, have to come back, before it listens for what should not. */
  readonly answers?: number
}

const held = new Map<number, Socket>()
const accepted = new Set<Socket>()

async function obey(command: Command): Promise<void> {
  const start = performance.now()
  const result = await OPERATIONS[command.op](command)
  process.stdout.write(`${JSON.stringify({ id: command.id, ms: performance.now() - start, ...result })}\n`)
}

type Result = { readonly result: string; readonly text?: string }

const OPERATIONS: Readonly<Record<Command['op'], (command: Command) => Promise<Result>>> = {
  tcp: exchange,
  hold,
  write,
  udp: send,
  listen,
  push,
  end,
  reset,
  sink,
  talk,
}

/** For what should come; who waits for nothing to come says for how long. */
const PATIENCE_MS = 30_000
/** So long `talk` listens for what should not come. */
const SILENCE_MS = 500
const POLL_MS = 5

/** Connects, sends the text, and reads to the end. */
function exchange({ host, port, localPort, localAddress, text, timeoutMs = PATIENCE_MS }: Command): Promise<Result> {
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ...(localPort === undefined ? {} : { localPort }),
      ...(localAddress === undefined ? {} : { localAddress }),
    })
    let received = ''
    const timer = setTimeout(() => finish('timeout'), timeoutMs)
    const finish = (result: string) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ result, text: received })
    }
    socket.setEncoding('utf8').on('data', (data: string) => {
      received += data
    })
    socket.once('connect', () => socket.end(text ?? ''))
    socket.once('end', () => finish('ok'))
    socket.once('error', (error) => finish(errnoOf(error)))
  })
}

/** Connects, waits for the greeting, and keeps the connection. */
function hold({ id, host, port, localPort }: Command): Promise<Result> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(localPort === undefined ? {} : { localPort }) })
    held.set(id, socket)
    socket.once('error', (error) => resolve({ result: errnoOf(error) }))
    socket.once('data', (data) => resolve({ result: 'ok', text: String(data) }))
  })
}

/** Writes to a kept connection, and says how it ended, or what came back. */
function write({ of, text, timeoutMs = PATIENCE_MS }: Command): Promise<Result> {
  return new Promise((resolve) => {
    const socket = held.get(of ?? 0)
    if (socket === undefined || socket.destroyed) return resolve({ result: 'gone' })
    const timer = setTimeout(() => resolve({ result: 'timeout' }), timeoutMs)
    const finish = (result: Result) => {
      clearTimeout(timer)
      resolve(result)
    }
    socket.once('error', (error) => finish({ result: errnoOf(error) }))
    socket.once('close', () => finish({ result: 'closed' }))
    socket.once('data', (data) => finish({ result: 'ok', text: String(data) }))
    socket.write(text ?? 'x')
  })
}

/** Waits until a kept connection ends, whatever comes before that, and says how. */
function end({ of, timeoutMs = PATIENCE_MS }: Command): Promise<Result> {
  return new Promise((resolve) => {
    const socket = held.get(of ?? 0)
    if (socket === undefined || socket.destroyed) return resolve({ result: 'gone' })
    const timer = setTimeout(() => finish('timeout'), timeoutMs)
    const finish = (result: string) => {
      clearTimeout(timer)
      resolve({ result })
    }
    socket.once('error', (error) => finish(errnoOf(error)))
    socket.once('close', () => finish('closed'))
  })
}

/** Ends a kept connection at once, so that nothing more is sent for it. */
async function reset({ of }: Command): Promise<Result> {
  held.get(of ?? 0)?.resetAndDestroy()
  return { result: 'ok' }
}

/** Sends one datagram, and waits for an echo. */
function send({ host, port, localPort = 0, text, timeoutMs = PATIENCE_MS }: Command): Promise<Result> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const timer = setTimeout(() => finish({ result: 'timeout' }), timeoutMs)
    const finish = (result: Result) => {
      clearTimeout(timer)
      socket.close()
      resolve(result)
    }
    socket.once('error', (error) => finish({ result: errnoOf(error) }))
    socket.once('message', (data) => finish({ result: 'ok', text: String(data) }))
    socket.bind(localPort, () => {
      socket.send(text ?? 'x', port, host, (error) => {
        if (error !== null) finish({ result: errnoOf(error) })
      })
    })
  })
}

/**
 * Sends datagrams from one socket to many, waits for the answers that have to come, and gives all that came back until
 * the time is over, by whom, as JSON.
 */
async function talk(command: Command): Promise<Result> {
  const { localPort = 0, to = [], connected = false, answers = 0, timeoutMs = SILENCE_MS } = command
  const [first] = to
  const socket = createSocket(first?.host.includes(':') === true ? 'udp6' : 'udp4')
  const heard: object[] = []
  let result = 'ok'
  const failed = (error: Error | null) => {
    if (error !== null) result = errnoOf(error)
  }
  socket.on('error', failed)
  socket.on('message', (data, { address, port }) => heard.push({ from: address, port, text: String(data) }))
  await new Promise<void>((resolve) => void socket.bind(localPort, resolve))
  if (connected && first !== undefined) {
    await new Promise<void>((resolve) => void socket.connect(first.port, first.host, resolve))
  }
  const answered = async (count: number) => {
    const giveUpAt = performance.now() + PATIENCE_MS
    while (heard.length < count && result === 'ok' && performance.now() < giveUpAt) await sleep(POLL_MS)
  }
  for (const { host, port, text = 'x', afterAnswers = 0, afterMs = 0 } of to) {
    await answered(afterAnswers)
    if (afterMs > 0) await sleep(afterMs)
    if (connected) socket.send(text, failed)
    else socket.send(text, port, host, failed)
  }
  await answered(answers)
  await sleep(timeoutMs)
  socket.close()
  return { result, text: JSON.stringify(heard) }
}

/** Sends the text to everybody who is connected to the servers of this program. */
async function push({ text }: Command): Promise<Result> {
  for (const socket of accepted) socket.write(text ?? 'x')
  return { result: 'ok' }
}

/** A server for one connection, which it reads only after a while. Says how many bytes came and how it ended. */
function sink({ host, port, timeoutMs = 300 }: Command): Promise<Result> {
  return new Promise((resolve) => {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      server.close()
      setTimeout(() => socket.resume(), timeoutMs)
      socket.on('data', () => undefined)
      socket.once('error', () => undefined)
      socket.once('close', (failed) => resolve({ result: failed ? 'reset' : 'ok', text: `${socket.bytesRead}` }))
    })
    server.listen({ host, port, ipv6Only: true })
  })
}

/** A TCP and UDP server that greets and echoes, and says which datagrams came. */
function listen({ host, port }: Command): Promise<Result> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      accepted.add(socket)
      socket.once('close', () => accepted.delete(socket))
      socket.on('error', () => undefined)
      socket.write('hello ')
      socket.pipe(socket)
    })
    const datagrams = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: host.includes(':') })
    datagrams.on('message', (data, from) => {
      process.stdout.write(`${JSON.stringify({ datagram: String(data) })}\n`)
      datagrams.send(data, from.port, from.address)
    })
    datagrams.bind(port, host)
    server.once('error', (error) => resolve({ result: errnoOf(error) }))
    server.listen({ host, port, ipv6Only: true }, () => resolve({ result: 'ok' }))
  })
}

function errnoOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message
}

for await (const line of createInterface({ input: process.stdin })) void obey(JSON.parse(line) as Command)
