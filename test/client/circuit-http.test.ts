import http, { type Server } from 'node:http'
import net from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { circuitHttp } from '../../client/circuit-http.ts'
import { Fault } from '../../shared/base/fault.ts'
import { SocketPump } from '../../shared/circuit/socket-pump.ts'
import type { HttpSend } from '../../shared/map/http-send.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { TunnelConnector } from '../support/tunnel-connector.ts'
import { until } from '../support/until.ts'

let server: Server
let send: HttpSend
let connector: TunnelConnector
let port: number
const seen: { method: string | undefined; url: string | undefined; headers: http.IncomingHttpHeaders; body: string }[] =
  []
let respond: (response: http.ServerResponse) => void

/** The exit of every tunnel is a connection to the server of the test. */
beforeEach(async () => {
  seen.length = 0
  respond = (response) => response.setHeader('etag', '"e"').end('hello')
  server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method, url, headers } = request
    seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
    respond(response)
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  port = (server.address() as net.AddressInfo).port
  connector = new TunnelConnector()
  connector.onOpen = ({ sink }) => {
    const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    const exit = {
      write: (bytes: Uint8Array) => {
        sink.data(bytes.slice(), bytes.length)
        return true
      },
      finish: () => sink.finished(),
      reset: () => sink.closed(new Fault('connection-reset')),
      release: () => {},
    }
    socket.once('connect', () => {
      const pump = new SocketPump(socket, exit)
      const tunnel = connector.tunnels.at(-1)!
      tunnel.write = (bytes) => {
        pump.data(bytes.slice(), bytes.length)
        return true
      }
      tunnel.finish = () => pump.finished()
      sink.opened(4)
    })
  }
  send = circuitHttp(connector.connector)
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const never = (): AbortSignal => new AbortController().signal
const get = (maxBytes = 1000) => ({ method: 'GET', url: 'http://directory.test:8080/v1/map', maxBytes }) as const

describe('a request of the client through a circuit', () => {
  test('goes to the host of its URL, by name, over a circuit of its own', async () => {
    const answer = await send({ ...get(), headers: { 'if-none-match': '"x"' } }, never())
    expect([answer.status, answer.etag, Buffer.from(answer.body).toString()]).toEqual([200, '"e"', 'hello'])
    await send(get(), never())
    expect(connector.tunnels.map(({ target, by }) => [target, by])).toEqual(
      Array(2).fill([{ kind: 'name', name: 'directory.test', port: 8080 }, 'client']),
    )
    expect(seen[0]).toMatchObject({ method: 'GET', url: '/v1/map', headers: { 'if-none-match': '"x"' } })
  })

  test('says nothing of the program but its name, and keeps no connection', async () => {
    await send(get(), never())
    expect(seen[0]?.headers).toEqual({ host: 'directory.test:8080', 'user-agent': 'spn', connection: 'close' })
  })

  test.each([
    ['http://198.51.100.1/', { kind: 'ip', address: Uint8Array.of(198, 51, 100, 1), port: 80 }],
    [
      'http://[2001:db8::1]:81/',
      { kind: 'ip', address: Uint8Array.from([0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1]), port: 81 },
    ],
    ['https://directory.test/', { kind: 'name', name: 'directory.test', port: 443 }],
  ])('to %s goes to the right target', async (url, target) => {
    connector.onOpen = ({ sink }) => sink.closed(new Fault('connection-refused'))
    expect((await rejectionOf(send({ ...get(), url }, never()))).code).toBe('connection-refused')
    expect(connector.tunnels[0]?.target).toEqual(target)
  })

  test('carries a body', async () => {
    await send(
      { method: 'POST', url: 'http://directory.test/', body: new Uint8Array(Buffer.from('descriptor')), maxBytes: 10 },
      never(),
    )
    expect(seen[0]).toMatchObject({ method: 'POST', body: 'descriptor' })
  })

  test('takes an answer up to its limit, and not one byte more', async () => {
    expect((await send(get(5), never())).body).toHaveLength(5)
    expect((await rejectionOf(send(get(4), never()))).code).toBe('document-too-large')
  })

  test('does not follow a redirection', async () => {
    respond = (response) => response.writeHead(302, { location: 'http://elsewhere.test/' }).end()
    expect((await send(get(), never())).status).toBe(302)
    expect(seen).toHaveLength(1)
  })

  test('ends with its signal, and takes the circuit with it', async () => {
    const giveUp = new AbortController()
    respond = () => giveUp.abort()
    await expect(send(get(), giveUp.signal)).rejects.toThrow()
    await until(() => connector.tunnels[0]?.calls.includes('reset'))
  })

  test('fails when the server ends in the middle of its answer', async () => {
    respond = (response) => {
      response.setHeader('content-length', '100').write('half')
      setImmediate(() => response.destroy())
    }
    await expect(send(get(), never())).rejects.toThrow()
  })
})
