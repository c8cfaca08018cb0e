/**
 * Tries the kernel's packet queue: `queue-driver.ts SCENARIO`, in a namespace where datagrams over loopback to PORT are
 * queued as QUEUE. Says as one line of JSON what came of it.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { loadNative, type NfQueueOptions, type QueuedPacket } from '../../../client/native/native.ts'

const QUEUE = 5
const PORT = 5000
const IP_AND_UDP_BYTES = 28
/** As many small datagrams the kernel lets one socket have in the queue. */
const PER_SOCKET = 100
const DEFAULTS = { queue: QUEUE, copyRange: 0xffff, maxLength: 8_192, receiveBuffer: 16 << 20 }

const { NfQueue } = loadNative()

/** Thousands wait at once and get their verdicts in the opposite order. */
async function reverse(): Promise<object> {
  const count = 4_000
  const waiting: QueuedPacket[] = []
  const queue = new NfQueue(DEFAULTS, (packets) => waiting.push(...packets))
  const received: number[] = []
  const receiver = await bound((data) => received.push(data.readUInt32BE(0)))
  await sendNumbered(count, 400)
  while (waiting.length < count) await setImmediate()
  const whole = waiting.every(({ payload }) => payload.length === IP_AND_UDP_BYTES + 400 && payload.at(-1) === 7)
  const { uid, gid, hook, etherType } = waiting[0] as QueuedPacket
  for (let i = count - 1; i >= 0; i--) {
    queue.verdict(waiting[i]?.id ?? 0, true)
    if (i % 100 !== 0) continue
    queue.flush()
    while (received.length < count - i) await setImmediate()
  }
  const isReverse = received.every((value, i) => value === count - 1 - i)
  queue.verdict(4_000_000_000, true)
  queue.flush()
  for (let tries = 0; tries < 500 && queue.stats().rejectedVerdicts === 0; tries++) await setTimeout(20)
  const stats = queue.stats()
  queue.close()
  receiver.close()
  return { received: received.length, whole, isReverse, uid, gid, hook, etherType, ...stats }
}

/** The errors of opening. */
function codes(): Promise<object> {
  const first = open()
  const second = open()
  const other = open({ queue: QUEUE + 1 })
  first.queue?.close()
  first.queue?.close()
  const third = open()
  third.queue?.close()
  other.queue?.close()
  return Promise.resolve({ first: first.code, second: second.code, other: other.code, third: third.code })
}

/** Nobody reads while far more comes than there is room for. */
async function overrun(): Promise<object> {
  let seen = 0
  const queue = new NfQueue({ ...DEFAULTS, receiveBuffer: 4_096 }, (packets) => {
    seen += packets.length
    for (const { id } of packets) queue.verdict(id, false)
  })
  await sendNumbered(2_000, 100)
  await setTimeout(100)
  const lost = seen < 2_000
  const before = seen
  await sendNumbered(1, 100)
  while (seen === before) await setImmediate()
  const { overruns } = queue.stats()
  queue.close()
  return { lost, goesOn: true, counted: overruns > 0 }
}

/** Threads that end with the queue open, by themselves or not. */
async function threads(): Promise<object> {
  const code = `
    const { NfQueue } = require(${JSON.stringify(new URL('../../../client/native/build/Release/spn_native.node', import.meta.url).pathname)})
    const { parentPort } = require('node:worker_threads')
    new NfQueue(${JSON.stringify(DEFAULTS)}, () => parentPort.postMessage('packet'))
    parentPort.once('message', () => process.exit())
    parentPort.postMessage('open')`
  for (let i = 0; i < 20; i++) {
    const worker = new Worker(code, { eval: true })
    await once(worker, 'message')
    const packet = once(worker, 'message')
    await sendNumbered(10, 100)
    await packet
    const exit = once(worker, 'exit')
    if (i % 2 === 0) void worker.terminate()
    else worker.postMessage('exit')
    await exit
  }
  const { queue, code: after } = open()
  queue?.close()
  return { after }
}

/** Opening while packets come as fast as they can. */
async function opening(): Promise<object> {
  const sender = new Worker(
    `const socket = require('node:dgram').createSocket('udp4')
     const data = Buffer.alloc(100)
     const more = () => { for (let i = 0; i < 20; i++) socket.send(data, ${PORT}, '127.0.0.1'); setImmediate(more) }
     more()`,
    { eval: true },
  )
  let gaps = 0
  let packets = 0
  for (let i = 0; i < 40; i++) {
    let last = 0
    const queue = new NfQueue(DEFAULTS, (batch) => {
      for (const { id } of batch) {
        // The kernel numbers the packets of a queue from 1 on.
        if (id !== last + 1) gaps++
        last = id
        queue.verdict(id, false)
      }
    })
    while (last < 200) await setImmediate()
    queue.close()
    packets += last
  }
  await sender.terminate()
  return { gaps, packets: packets >= 8_000 }
}

/** A callback that throws is an uncaught error, and the queue lives on. */
async function throwing(): Promise<object> {
  const caught: string[] = []
  process.on('uncaughtException', (error) => caught.push(error.message))
  let calls = 0
  const queue = new NfQueue(DEFAULTS, () => {
    calls++
    throw new Error(`call ${calls}`)
  })
  await sendNumbered(1, 100)
  while (calls < 1) await setImmediate()
  await sendNumbered(1, 100)
  while (calls < 2) await setImmediate()
  await setImmediate()
  queue.close()
  return { caught }
}

function open(changes: Partial<NfQueueOptions> = {}) {
  try {
    return { queue: new NfQueue({ ...DEFAULTS, ...changes }, () => undefined), code: 'open' }
  } catch (error) {
    return { code: error instanceof Error && 'code' in error ? String(error.code) : 'no code' }
  }
}

async function bound(onData: (data: Buffer) => void): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('message', onData)
  socket.bind(PORT, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/** Datagrams of this length that begin with their number and end with a 7; resolves when all are in the queue. */
async function sendNumbered(count: number, bytes: number): Promise<void> {
  const sockets: Socket[] = []
  for (let i = 0; i < count; i++) {
    if (i % PER_SOCKET === 0) sockets.push(createSocket('udp4'))
    const data = Buffer.alloc(bytes, 7)
    data.writeUInt32BE(i, 0)
    const socket = sockets.at(-1) as Socket
    await new Promise<void>((resolve) => socket.send(data, PORT, '127.0.0.1', () => resolve()))
  }
  for (const socket of sockets) socket.close()
}

const SCENARIOS: Readonly<Record<string, () => Promise<object>>> = {
  reverse,
  codes,
  overrun,
  threads,
  opening,
  throwing,
}
console.log(JSON.stringify(await SCENARIOS[process.argv[2] ?? '']?.()))
process.exit()
