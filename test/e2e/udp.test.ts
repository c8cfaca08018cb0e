import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { LoopbackNetwork } from '../net/loopback-network.ts'
import { SocksUdp } from '../support/socks-udp.ts'
import { UdpServer } from '../support/udp-server.ts'

let network: LoopbackNetwork
let proxy: { host: string; port: number }
const servers: UdpServer[] = []
const apps: SocksUdp[] = []

async function echoServer(host: string): Promise<UdpServer> {
  const server = await UdpServer.echo(host)
  servers.push(server)
  return server
}

async function app(): Promise<SocksUdp> {
  const opened = await SocksUdp.open(proxy)
  apps.push(opened)
  return opened
}

/** Does no socket of this computer have the port? */
function isFree(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4')
  return new Promise((resolve) => {
    socket.on('error', () => socket.close(() => resolve(false)))
    socket.bind(port, '0.0.0.0', () => socket.close(() => resolve(true)))
  })
}

describe('UDP through circuits of three hops', () => {
  beforeAll(async () => {
    network = new LoopbackNetwork({
      ...{ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'debug' },
      hub: () => ({ roles: { home: true, relay: true, exit4: true, exit6: true } }),
    })
    const { client } = await network.start()
    proxy = { host: client.socksHost, port: client.socksPort }
  })

  afterAll(async () => {
    for (const one of apps) one.close()
    for (const one of servers) one.close()
    await network?.stop()
  })

  test.each(['127.0.0.1', '::1'])(
    'keeps boundaries and bytes of datagrams of all sizes, to %s and back',
    async (host) => {
      const server = await echoServer(host)
      const own = await app()
      const sizes = [0, 1, 1200, 1472, 4000, 16_000]
      for (const [i, size] of sizes.entries()) {
        const bytes = randomBytes(size)
        own.send(host, server.port, bytes)
        const { host: from, port, bytes: back } = await own.datagram(i)
        expect([from, port, back.equals(bytes)]).toEqual([host, server.port, true])
      }
      expect(server.seen.map(({ bytes }) => bytes.length)).toEqual(sizes)
    },
  )

  test('carries a burst whole and in order', async () => {
    const server = await echoServer('127.0.0.1')
    const own = await app()
    own.send('127.0.0.1', server.port, 'first')
    await own.datagram(0)
    for (let i = 0; i < 50; i++) own.send('127.0.0.1', server.port, `datagram ${i}`)
    await own.datagram(50)
    expect(own.received.slice(1).map(({ bytes }) => String(bytes))).toEqual(
      Array.from({ length: 50 }, (_, i) => `datagram ${i}`),
    )
  })

  test('has many peers, who see one address and port, and anybody whom these tell of it may answer', async () => {
    const many = await Promise.all(Array.from({ length: 8 }, () => echoServer('127.0.0.1')))
    const own = await app()
    for (const [i, server] of many.entries()) {
      own.send('127.0.0.1', server.port, `to ${i}`)
      const { port, bytes } = await own.datagram(i)
      expect([port, String(bytes)]).toEqual([server.port, `to ${i}`])
    }
    const ends = new Set(many.map(({ seen }) => `${seen[0]?.from}:${seen[0]?.port}`))
    expect(ends.size).toBe(1)
    const stranger = await echoServer('127.0.0.1')
    const { from = '', port = 0 } = many[0]?.seen[0] ?? {}
    stranger.sendTo(from, port, 'a call')
    const call = await own.datagram(8)
    expect([call.port, String(call.bytes)]).toEqual([stranger.port, 'a call'])
  })

  test('reaches IPv4 and IPv6 from one socket', async () => {
    const [four, six] = await Promise.all([echoServer('127.0.0.1'), echoServer('::1')])
    const own = await app()
    own.send('127.0.0.1', four.port, '4')
    await own.datagram(0)
    own.send('::1', six.port, '6')
    await own.datagram(1)
    expect(own.received.map(({ host, bytes }) => [host, String(bytes)])).toEqual([
      ['127.0.0.1', '4'],
      ['::1', '6'],
    ])
  })

  test('uses a circuit for each socket of an app', async () => {
    const server = await echoServer('127.0.0.1')
    for (const one of [await app(), await app()]) {
      one.send('127.0.0.1', server.port, 'hello')
      await one.datagram(0)
    }
    expect(new Set(server.seen.map(({ port }) => port)).size).toBe(2)
  })

  test('drops what the proxy can not read, and what others send', async () => {
    const server = await echoServer('127.0.0.1')
    const own = await app()
    const good = [0, 0, 0, 1, 127, 0, 0, 1, server.port >> 8, server.port & 0xff, 33]
    const changed = (at: number, value: number): Uint8Array => Uint8Array.from(good.with(at, value))
    own.sendRaw(changed(2, 1)) // a fragment
    own.sendRaw(changed(0, 1)) // reserved bytes
    own.sendRaw(changed(3, 9)) // a kind of address that does not exist
    own.sendRaw(Uint8Array.from(good.slice(0, 7))) // cut off
    own.sendRaw(new Uint8Array(0))
    own.sendRaw(Uint8Array.from([...good.slice(0, 8), 0, 0, 33])) // port 0
    own.sendRaw(Uint8Array.from(good))
    const { bytes } = await own.datagram(0)
    expect(String(bytes)).toBe('!')
    const other = await UdpServer.echo('127.0.0.1')
    servers.push(other)
    other.sendTo('127.0.0.1', own.relayPort, Uint8Array.from(good))
    own.send('127.0.0.1', server.port, 'last')
    await own.datagram(1)
    expect(server.seen.map(({ bytes: seen }) => String(seen))).toEqual(['!', 'last'])
  })

  test('ends with the connection to the proxy', async () => {
    const server = await echoServer('127.0.0.1')
    const own = await app()
    own.send('127.0.0.1', server.port, 'hello')
    await own.datagram(0)
    const port = server.seen[0]?.port as number
    expect(await isFree(port)).toBe(false)
    own.control.end()
    for (let tries = 0; !(await isFree(port)) && tries < 6_000; tries++) await setTimeout(10)
    expect(await isFree(port)).toBe(true)
  })

  test('does not name peers in any log', () => {
    const ports = servers.map(({ port }) => port)
    const output = network.programs.map((program) => program.output).join('\n')
    for (const port of ports) expect(output).not.toContain(`:${port}"`)
  })
})
