import net, { type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { MAX_HEADER_BYTES } from '../../../client/http-proxy/http-connect.ts'
import { HTTP_DIALECT } from '../../../client/http-proxy/http-dialect.ts'
import { ProxyServer } from '../../../client/proxy/proxy-server.ts'
import { concatBytes, utf8 } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { formatEndpoint } from '../../../shared/base/ip-address.ts'
import { SocketLog } from '../../support/socket-pair.ts'
import { type TestTunnel, TunnelConnector } from '../../support/tunnel-connector.ts'
import { until } from '../../support/until.ts'

const REQUEST = utf8('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: me\r\n\r\n')
const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n'

let server: ProxyServer
let tunnels: TestTunnel[]
const sockets: Socket[] = []

beforeEach(async () => {
  const connector = new TunnelConnector()
  tunnels = connector.tunnels
  server = new ProxyServer({ ip: Uint8Array.of(127, 0, 0, 1), port: 0 }, HTTP_DIALECT, connector.connector)
  await server.start()
})

afterEach(async () => {
  jest.useRealTimers()
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close()
})

async function app(...sent: Uint8Array[]): Promise<{ socket: Socket; log: SocketLog }> {
  const socket = net.connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true, noDelay: true })
  sockets.push(socket)
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  if (sent.length > 0) socket.write(concatBytes(...sent))
  return { socket, log: new SocketLog(socket) }
}

async function asking(...more: Uint8Array[]): Promise<{ socket: Socket; log: SocketLog; tunnel: TestTunnel }> {
  const made = await app(REQUEST, ...more)
  return { ...made, tunnel: await until(() => tunnels[0]) }
}

describe('a program behind the HTTP proxy', () => {
  test('gets its connection, bytes both ways, and half close', async () => {
    const { socket, log, tunnel } = await asking()
    expect([tunnel.target, tunnel.by]).toEqual([{ kind: 'name', name: 'example.com', port: 443 }, 'http'])
    expect(log.text).toBe('')
    tunnel.sink.opened(4)
    await until(() => log.text === ESTABLISHED)
    socket.write('hello')
    await until(() => tunnel.text === 'hello')
    socket.end()
    await until(() => tunnel.calls.includes('finish'))
    tunnel.sink.data(utf8('world'), 99)
    await until(() => log.text === `${ESTABLISHED}world`)
    expect(tunnel.released).toBe(99)
    tunnel.sink.finished()
    tunnel.sink.closed(undefined)
    await until(() => log.closed)
    expect([log.error, tunnel.calls]).toEqual([undefined, ['finish']])
  })

  test('may go on sending when the destination has ended its side', async () => {
    const { socket, log, tunnel } = await asking()
    tunnel.sink.opened(4)
    tunnel.sink.finished()
    await until(() => log.ended)
    socket.write('still here')
    await until(() => tunnel.text === 'still here')
    expect(tunnel.calls).toEqual([])
  })

  test('may send everything at once, and its end with it', async () => {
    const { socket, tunnel, log } = await asking(utf8('early'))
    socket.end(' and late')
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    expect([tunnel.text, tunnel.calls]).toEqual(['', []])
    tunnel.sink.opened(4)
    await until(() => tunnel.calls.includes('finish'))
    expect(tunnel.text).toBe('early and late')
    tunnel.sink.data(utf8('answer'), 1)
    await until(() => log.text === `${ESTABLISHED}answer`)
  })

  test('may send byte by byte', async () => {
    const { socket } = await app()
    for (const byte of concatBytes(REQUEST, utf8('late'))) {
      socket.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const tunnel = await until(() => tunnels[0])
    tunnel.sink.opened(6)
    await until(() => tunnel.text === 'late')
  })

  test.each(['93.184.216.34:443', '[2001:db8::1]:80'])('may ask for %s', async (endpoint) => {
    await app(utf8(`CONNECT ${endpoint} HTTP/1.1\r\nHost: ${endpoint}\r\n\r\n`))
    const { target } = await until(() => tunnels[0])
    expect(target.kind === 'ip' && formatEndpoint(target.address, target.port)).toBe(endpoint)
  })

  test.each([
    ['destination-forbidden', 403],
    ['policy-refused', 403],
    ['connection-refused', 502],
    ['host-unreachable', 502],
    ['name-not-found', 502],
    ['map-expired', 503],
    ['path-no-home', 503],
    ['connect-timeout', 504],
  ] as const)('is told why it gets none: %s is %s', async (code, status) => {
    const { socket, log, tunnel } = await asking()
    tunnel.sink.closed(new Fault(code))
    await until(() => log.ended)
    expect(log.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(log.text).not.toMatch(/via|server|spn|example/i)
    socket.end()
    await until(() => log.closed)
  })

  test.each([
    [400, 'CONNECT example.com HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'nonsense\r\n\r\n'],
    [400, '\u0005\u0001\u0000'],
    [400, `CONNECT ${'a'.repeat(MAX_HEADER_BYTES)}`],
    [405, 'GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n'],
  ])('is answered %s, and gets no connection', async (status, text) => {
    const { log } = await app(utf8(text))
    await until(() => log.ended)
    expect(log.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(tunnels).toHaveLength(0)
  })

  test('can not smuggle a second request behind one that was refused', async () => {
    const { log } = await app(utf8('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), REQUEST)
    await until(() => log.ended)
    expect([log.text.match(/HTTP\/1\.1 /g)?.length, tunnels.length]).toEqual([1, 0])
  })

  test('that never comes to the end of its header is dropped, however busy it seems', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
    const { socket, log } = await app(utf8('CONNECT example.com:443 HTTP/1.1\r\n'))
    for (let second = 0; second < 11 && !log.closed; second++) {
      if (!socket.destroyed) socket.write('A: b\r\n')
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
      jest.advanceTimersByTime(1_000)
    }
    await until(() => log.closed || log.ended)
    expect(tunnels).toHaveLength(0)
  })

  test('is reset when the connection is', async () => {
    const { log, tunnel } = await asking()
    tunnel.sink.opened(4)
    await until(() => log.text === ESTABLISHED)
    tunnel.sink.closed(new Fault('connection-reset'))
    await until(() => log.closed)
    expect(log.error).toBe('ECONNRESET')
  })
})
