import net, { type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { AppQuery } from '../../../client/apps/app.ts'
import type { Connector } from '../../../client/connector.ts'
import { ProxyServer } from '../../../client/proxy/proxy-server.ts'
import { SOCKS_DIALECT } from '../../../client/socks/socks-dialect.ts'
import { concatBytes, toHex, utf8 } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { formatEndpoint } from '../../../shared/base/ip-address.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { hex } from '../../support/hex.ts'
import { SocketLog } from '../../support/socket-pair.ts'
import { type TestTunnel, TunnelConnector } from '../../support/tunnel-connector.ts'
import { until } from '../../support/until.ts'

const GREETING = hex('05 01 00')
const REQUEST = hex('05 01 00 03 0b 6578616d706c652e636f6d 01bb')
const LISTEN = { ip: Uint8Array.of(127, 0, 0, 1), port: 0 }

let server: ProxyServer
let tunnels: TestTunnel[]
const sockets: Socket[] = []

beforeEach(async () => {
  const connector = new TunnelConnector()
  tunnels = connector.tunnels
  server = new ProxyServer(LISTEN, SOCKS_DIALECT, connector.connector)
  await server.start()
})

afterEach(async () => {
  jest.useRealTimers()
  jest.restoreAllMocks()
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close()
})

async function app(): Promise<{ socket: Socket; log: SocketLog }> {
  const socket = net.connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true, noDelay: true })
  sockets.push(socket)
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  return { socket, log: new SocketLog(socket) }
}

/** An app that has asked for example.com:443, and its tunnel. */
async function asking(request = REQUEST): Promise<{ socket: Socket; log: SocketLog; tunnel: TestTunnel }> {
  const { socket, log } = await app()
  socket.write(GREETING)
  await until(() => toHex(log.bytes) === '0500')
  log.chunks.length = 0
  socket.write(request)
  const tunnel = await until(() => tunnels[0])
  return { socket, log, tunnel }
}

describe('a program behind the proxy', () => {
  test('is looked for by both ends of its connection to the proxy, at once', async () => {
    const asked: AppQuery[] = []
    const found = { key: '1 path:/a', path: '/a', uid: 1, pid: 2 }
    const connector = new TunnelConnector()
    const asking = new ProxyServer(LISTEN, SOCKS_DIALECT, connector.connector, (query) => {
      asked.push(query)
      return Promise.resolve(found)
    })
    await asking.start()
    const socket = net.connect({ host: '127.0.0.1', port: asking.port })
    sockets.push(socket)
    await until(() => asked.length === 1)
    const end = (port = 0) => ({ address: LISTEN.ip, port })
    expect(asked).toEqual([{ protocol: 6, source: end(socket.localPort), destination: end(asking.port) }])
    socket.write(concatBytes(GREETING, REQUEST))
    const tunnel = await until(() => connector.tunnels[0])
    expect(await tunnel.app).toBe(found)
    await asking.close()
  })

  test('gets its connection, bytes both ways, and half close', async () => {
    const { socket, log, tunnel } = await asking()
    expect(tunnel.target).toEqual({ kind: 'name', name: 'example.com', port: 443 })
    expect(log.bytes).toHaveLength(0)
    tunnel.sink.opened(4)
    await until(() => toHex(log.bytes) === '05000001000000000000')
    log.chunks.length = 0
    socket.write('hello')
    await until(() => tunnel.text === 'hello')
    tunnel.sink.data(utf8('world'), 99)
    await until(() => log.text === 'world')
    expect(tunnel.released).toBe(99)
    socket.end()
    await until(() => tunnel.calls.includes('finish'))
    tunnel.sink.data(utf8('!'), 1)
    tunnel.sink.finished()
    tunnel.sink.closed(undefined)
    await until(() => log.closed)
    expect([log.text, log.error, tunnel.calls]).toEqual(['world!', undefined, ['finish']])
  })

  test('may say everything at once, and byte by byte', async () => {
    const { socket } = await app()
    socket.write(concatBytes(GREETING, REQUEST, utf8('early')))
    const first = await until(() => tunnels[0])
    first.sink.opened(4)
    await until(() => first.text === 'early')
    const slow = await app()
    for (const byte of concatBytes(GREETING, REQUEST, utf8('late'))) {
      slow.socket.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const second = await until(() => tunnels[1])
    second.sink.opened(6)
    await until(() => second.text === 'late')
    expect(second.target).toEqual(first.target)
  })

  test.each([
    ['05 01 00 01 5db8d822 01bb', '93.184.216.34:443'],
    ['05 01 00 04 20010db8000000000000000000000001 0050', '[2001:db8::1]:80'],
  ])('may ask for an address: %s', async (request, endpoint) => {
    const { tunnel } = await asking(hex(request))
    const { target } = tunnel
    expect(target.kind === 'ip' && formatEndpoint(target.address, target.port)).toBe(endpoint)
  })

  test.each([
    ['connection-refused', '05'],
    ['name-not-found', '04'],
    ['destination-forbidden', '02'],
    ['map-expired', '01'],
  ] as const)('is told why it gets none: %s', async (code, reply) => {
    const { socket, log, tunnel } = await asking()
    tunnel.sink.closed(new Fault(code))
    await until(() => log.ended)
    expect(toHex(log.bytes)).toBe(`05${reply}0001000000000000`)
    socket.end()
    await until(() => log.closed)
  })

  test('is reset when the connection is, and the other way round', async () => {
    const one = await asking()
    one.tunnel.sink.opened(4)
    await until(() => one.log.bytes.length === 10)
    one.tunnel.sink.closed(new Fault('connection-reset'))
    await until(() => one.log.closed)
    expect(one.log.error).toBe('ECONNRESET')
    tunnels.length = 0
    const two = await asking()
    two.tunnel.sink.opened(4)
    await until(() => two.log.bytes.length === 10)
    two.socket.resetAndDestroy()
    await until(() => two.tunnel.calls.includes('reset'))
  })

  test('that leaves before it is connected takes its connection with it', async () => {
    const { socket, tunnel } = await asking()
    socket.destroy()
    await until(() => tunnel.calls.includes('reset'))
    tunnel.sink.opened(4) // the exit was quicker
  })

  test.each([
    ['to listen', '05 02 00 01 5db8d822 01bb', '07'],
    ['for a kind of address that there is not', '05 01 00 09 5db8d822 01bb', '08'],
    ['for a name that is none', '05 01 00 03 02 2d61 01bb', '04'],
  ])('that asks %s is refused', async (_what, request, reply) => {
    const { socket, log } = await app()
    socket.write(concatBytes(GREETING, hex(request)))
    await until(() => log.ended)
    expect(toHex(log.bytes)).toBe(`050005${reply}0001000000000000`)
    expect(tunnels).toHaveLength(0)
  })

  test.each([
    ['speaks HTTP', 'GET / HTTP/1.1\r\n\r\n'],
    ['speaks SOCKS 4', '\u0004\u0001\u0000\u0050'],
    ['speaks nonsense behind the greeting', '\u0005\u0001\u0000\u0004\u0000\u0000\u0000\u0000'],
  ])('that %s is dropped', async (_what, text) => {
    const { socket, log } = await app()
    socket.write(Buffer.from(text, 'latin1'))
    await until(() => log.closed || log.ended)
    expect(tunnels).toHaveLength(0)
  })

  test('that wants a password only gets nothing, also if it goes on as if', async () => {
    const { socket, log } = await app()
    socket.write(hex('05 01 02'))
    await until(() => log.ended)
    socket.write(REQUEST)
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    expect([toHex(log.bytes), tunnels.length]).toEqual(['05ff', 0])
  })
})

describe('the sockets of the proxy', () => {
  /** Those that the server holds open. */
  const held = (): Promise<number> =>
    new Promise((resolve) => {
      const inner = servers.at(-1) as net.Server
      inner.getConnections((_error, count) => resolve(count))
    })
  const servers: net.Server[] = []

  beforeEach(async () => {
    await server.close()
    const create = jest.spyOn(net, 'createServer')
    await server.start()
    servers.push(create.mock.results[0]?.value as net.Server)
  })

  async function nobodyHeld(): Promise<void> {
    const giveUpAt = performance.now() + 20_000
    while ((await held()) > 0) {
      if (performance.now() > giveUpAt) throw new Error('there are sockets that are held')
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  test('are let go of when a program leaves that was refused, also if it had sent more', async () => {
    for (const more of ['', 'optimistic bytes']) {
      const { socket, tunnel } = await asking(concatBytes(REQUEST, utf8(more)))
      tunnels.length = 0
      tunnel.sink.closed(new Fault('connection-refused'))
      socket.end()
      await nobodyHeld()
    }
    const { socket } = await app()
    socket.write(concatBytes(GREETING, hex('05 02 00 01 5db8d822 01bb'), utf8('more')))
    socket.end()
    await nobodyHeld()
  })

  test('of programs that say nothing, or stay after a refusal, are closed after a while', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
    await app()
    const refused = await app()
    refused.socket.write(hex('05 01 02'))
    await until(() => refused.log.ended)
    expect(await held()).toBe(2)
    jest.advanceTimersByTime(10_000)
    await nobodyHeld()
  })

  test('are not closed while a connection is being made', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
    const { log, tunnel } = await asking()
    jest.advanceTimersByTime(60_000)
    tunnel.sink.opened(4)
    await until(() => log.bytes.length === 10)
  })

  test('all end with the server, which can be closed twice', async () => {
    const { log, tunnel } = await asking()
    await Promise.all([server.close(), server.close()])
    await until(() => log.ended || log.closed)
    await until(() => tunnel.calls.includes('reset'))
  })

  test('that can not be accepted end nothing else', async () => {
    for (let i = 0; i < 3; i++) servers.at(-1)?.emit('error', Object.assign(new Error('EMFILE'), { code: 'EMFILE' }))
    await asking()
  })
})

describe('a proxy on a port that is taken', () => {
  test('says so', async () => {
    const second = new ProxyServer({ ...LISTEN, port: server.port }, SOCKS_DIALECT, {} as Connector)
    expect((await rejectionOf(second.start())).code).toBe('port-in-use')
    const nowhere = new ProxyServer({ ip: Uint8Array.of(192, 0, 2, 1), port: 0 }, SOCKS_DIALECT, {} as Connector)
    expect((await rejectionOf(nowhere.start())).code).toBe('address-unavailable')
    await nowhere.close()
  })
})
