import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import net, { type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  DnsListener,
  type DnsSender,
  MAX_CONNECTIONS,
  MAX_DATAGRAMS,
  MAX_PIPELINED,
} from '../../../client/dns/dns-listener.ts'
import type { DnsAsker } from '../../../client/dns/dns-resolver.ts'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { DnsStreamReader, frameMessage } from '../../../shared/dns/dns-stream.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { until } from '../../support/until.ts'

const LOOPBACK = Uint8Array.of(127, 0, 0, 1)

let answer: (bytes: Uint8Array, asker: DnsAsker, transport: string) => Promise<Uint8Array | undefined>
let senders: DnsSender[]
let listener: DnsListener
const sockets: (Socket | UdpSocket)[] = []

beforeEach(async () => {
  answer = async (bytes, _asker, transport) => concatBytes(bytes, Buffer.from(transport))
  senders = []
  listener = new DnsListener({ ip: LOOPBACK, port: 0 }, { answer: (...words) => answer(...words) }, (sender) => {
    senders.push(sender)
    return Promise.resolve({ app: `port ${sender.port}` })
  })
  await listener.start()
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket instanceof net.Socket ? socket.destroy() : socket.close()
  await listener.close()
})

/** A UDP socket, and what came to it. */
function udp(): { socket: UdpSocket; heard: string[]; say: (text: string) => void } {
  const socket = createSocket('udp4')
  const heard: string[] = []
  sockets.push(socket)
  socket.on('message', (bytes) => void heard.push(bytes.toString()))
  return { socket, heard, say: (text) => socket.send(text, listener.port, '127.0.0.1') }
}

function tcp(): { socket: Socket; heard: string[]; say: (text: string) => void } {
  const socket = net.connect(listener.port, '127.0.0.1')
  const heard: string[] = []
  const reader = new DnsStreamReader()
  sockets.push(socket)
  socket.on('error', () => {})
  socket.on('data', (chunk) => void heard.push(...reader.push(chunk).map((one) => Buffer.from(one).toString())))
  return { socket, heard, say: (text) => socket.write(frameMessage(Buffer.from(text))) }
}

describe('the port of the resolver', () => {
  test('answers over UDP and TCP, and knows who asked', async () => {
    const [packets, stream] = [udp(), tcp()]
    packets.say('hello ')
    stream.say('hello ')
    await until(() => packets.heard.length + stream.heard.length === 2)
    expect([packets.heard, stream.heard]).toEqual([['hello udp'], ['hello tcp']])
    const ports = { udp: packets.socket.address().port, tcp: stream.socket.localPort }
    for (const { transport, address, port } of senders) expect([address, port]).toEqual(['127.0.0.1', ports[transport]])
    expect(senders.map(({ transport }) => transport).toSorted()).toEqual(['tcp', 'udp'])
  })

  test('answers several queries of one connection at once, in the order in which answers come', async () => {
    const waiting = new Map<string, () => void>()
    answer = (bytes) => new Promise((resolve) => waiting.set(Buffer.from(bytes).toString(), () => resolve(bytes)))
    const stream = tcp()
    stream.say('one')
    stream.say('two')
    await until(() => waiting.size === 2)
    waiting.get('two')?.()
    await until(() => stream.heard.length === 1)
    waiting.get('one')?.()
    await until(() => stream.heard.length === 2)
    expect(stream.heard).toEqual(['two', 'one'])
  })

  test('does not read further while a connection has many unanswered queries', async () => {
    const waiting: (() => void)[] = []
    answer = (bytes) => new Promise((resolve) => waiting.push(() => resolve(bytes)))
    const stream = tcp()
    for (let i = 0; i < MAX_PIPELINED; i++) stream.say(`${i}`)
    await until(() => waiting.length === MAX_PIPELINED)
    for (let i = 0; i < 3; i++) {
      stream.say('more')
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(waiting).toHaveLength(MAX_PIPELINED)
    for (const one of waiting.splice(0)) one()
    await until(() => waiting.length === 3)
  })

  test('answers what was asked before the other side ended, and ends then', async () => {
    let release: (() => void) | undefined
    answer = (bytes) =>
      new Promise((resolve) => {
        release = () => resolve(bytes)
      })
    const stream = tcp()
    let ended = false
    stream.socket.on('end', () => {
      ended = true
    })
    stream.say('last')
    stream.socket.end()
    await until(() => release !== undefined)
    release?.()
    await until(() => ended)
    expect(stream.heard).toEqual(['last'])
  })

  test('ends a connection with what is no query; such a packet gets no answer', async () => {
    answer = async (bytes) => (bytes.length > 3 ? bytes : undefined)
    const [packets, stream] = [udp(), tcp()]
    let closed = false
    stream.socket.on('close', () => {
      closed = true
    })
    stream.say('no')
    await until(() => closed)
    packets.say('no')
    packets.say('query')
    await until(() => packets.heard.length === 1)
    expect(packets.heard).toEqual(['query'])
  })

  test('takes so many connections, and not one more', async () => {
    const streams = Array.from({ length: MAX_CONNECTIONS }, tcp)
    for (const stream of streams) stream.say('x')
    await until(() => streams.every(({ heard }) => heard.length === 1))
    const more = tcp()
    let closed = false
    more.socket.on('close', () => {
      closed = true
    })
    more.say('x')
    await until(() => closed)
    expect(more.heard).toEqual([])
  })

  test('takes so many packets at once; one more is lost', async () => {
    let waiting: (() => void)[] = []
    answer = (bytes) => new Promise((resolve) => waiting.push(() => resolve(bytes)))
    const packets = udp()
    for (let i = 0; i < MAX_DATAGRAMS; i += 64) {
      for (let j = 0; j < 64; j++) packets.say('x')
      await until(() => waiting.length === i + 64)
    }
    packets.say('lost')
    packets.say('lost')
    tcp().say('behind them')
    await until(() => waiting.length > MAX_DATAGRAMS)
    expect(waiting).toHaveLength(MAX_DATAGRAMS + 1)
    for (const one of waiting) one()
    waiting = []
    await until(() => packets.heard.length >= MAX_DATAGRAMS / 2)
    packets.say('again')
    await until(() => waiting.length === 1)
    waiting[0]?.()
  })

  test('that is taken is said in a fault, for either protocol; closing twice does nothing', async () => {
    const again = new DnsListener({ ip: LOOPBACK, port: listener.port }, { answer: async () => undefined })
    expect((await rejectionOf(again.start())).code).toBe('port-in-use')
    const holder = udp()
    await new Promise<void>((resolve) => holder.socket.bind(0, '127.0.0.1', resolve))
    const half = new DnsListener(
      { ip: LOOPBACK, port: holder.socket.address().port },
      { answer: async () => undefined },
    )
    expect((await rejectionOf(half.start())).code).toBe('port-in-use')
    await half.close()
    await listener.close()
    await listener.close()
  })
})
