import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type ConnectionOptions, createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { throwAwayCertificate } from '../support/throw-away-certificate.ts'
import type { Packet } from './packet.ts'
import type { TcpStream } from './tcp-streams.ts'
import { parseClientHello, parseServerHello, TLS_1_3, X25519_MLKEM768 } from './tls-hello.ts'
import { clearHandshakeMessages, parseTlsRecords, RECORD } from './tls-records.ts'
import { readTlsSession, tlsSessions } from './tls-sessions.ts'

const X25519 = 0x001d
const SECP256R1 = 0x0017
const ends = { source: '198.18.1.2', sourcePort: 1000, destination: '198.18.2.2', destinationPort: 443 }
const otherEnds = { source: '198.18.2.2', sourcePort: 443, destination: '198.18.1.2', destinationPort: 1000 }

/** All bytes of a real TLS connection on loopback, as a proxy in the middle sees them: up, then down. */
async function record(server: { ecdhCurve: string }, client: ConnectionOptions): Promise<[Buffer, Buffer]> {
  const { cert, key } = await throwAwayCertificate('shop.test')
  const tls = createTlsServer({ cert, key, ALPNProtocols: ['http/1.1'], ...server }, (socket) => socket.pipe(socket))
  const directions: [Buffer[], Buffer[]] = [[], []]
  const proxy = createServer((near) => {
    const far = connect((tls.address() as AddressInfo).port, '127.0.0.1')
    near.on('data', (bytes) => directions[0].push(bytes)).pipe(far)
    far.on('data', (bytes) => directions[1].push(bytes)).pipe(near)
  })
  await Promise.all([once(tls.listen(0, '127.0.0.1'), 'listening'), once(proxy.listen(0, '127.0.0.1'), 'listening')])
  const { port } = proxy.address() as AddressInfo
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...client })
  socket.end('a secret that nobody sees')
  await Promise.all([once(socket.resume(), 'close')])
  await Promise.all([tls, proxy].map((listening) => once(listening.close(), 'close')))
  return [Buffer.concat(directions[0]), Buffer.concat(directions[1])]
}

const stream = (bytes: Uint8Array, which: typeof ends): TcpStream => ({ ...which, bytes, beyondGap: 0 })
const session = ([up, down]: [Buffer, Buffer]) => readTlsSession(stream(up, ends), stream(down, otherEnds))

describe('a real connection with X25519MLKEM768 alone', () => {
  let bytes: [Buffer, Buffer]
  beforeAll(async () => {
    bytes = await record({ ecdhCurve: 'X25519MLKEM768' }, { ecdhCurve: 'X25519MLKEM768', minVersion: 'TLSv1.3' })
  })

  test('shows version, groups and the chosen group in its hellos', () => {
    const { clientHello, serverHello, broken } = session(bytes)
    expect(broken).toBe(false)
    expect(clientHello).toMatchObject({
      versions: [TLS_1_3],
      groups: [X25519_MLKEM768],
      keyShares: [X25519_MLKEM768],
      alpn: undefined,
      serverName: undefined,
      resumes: false,
    })
    expect(serverHello).toMatchObject({ version: TLS_1_3, group: X25519_MLKEM768, retry: false })
  })

  test('is records of TLS to the last byte, and shows nothing of what it carries', () => {
    const { clientRecords, serverRecords } = session(bytes)
    const types = new Set([...clientRecords, ...serverRecords].map(({ type }) => type))
    expect(types).toEqual(new Set([RECORD.handshake, RECORD.changeCipherSpec, RECORD.applicationData]))
    for (const direction of bytes) {
      expect(parseTlsRecords(direction).rest).toHaveLength(0)
      expect(direction.includes('secret')).toBe(false)
    }
  })

  test('is found in the packets of a capture, next to what is not TLS', () => {
    const packets = [
      ...inSegments(bytes[0], ends),
      ...inSegments(bytes[1], otherEnds),
      ...inSegments(Buffer.from('GET / HTTP/1.1\r\n\r\n'), { ...ends, sourcePort: 1001, destinationPort: 80 }),
    ]
    const [tls, http, ...others] = tlsSessions(packets)
    expect(tls).toMatchObject({ broken: false, serverHello: { group: X25519_MLKEM768 } })
    expect(http).toMatchObject({ broken: true, clientHello: undefined, serverHello: undefined })
    expect(others).toEqual([])
  })

  test('can be cut anywhere without a wrong answer', () => {
    const whole = parseTlsRecords(bytes[0]).records.length
    for (let length = 0; length < bytes[0].length; length += 7) {
      const { records, broken } = parseTlsRecords(bytes[0].subarray(0, length))
      expect(broken).toBe(false)
      expect(records.length).toBeLessThan(whole)
    }
    for (const [i, parse] of [parseClientHello, parseServerHello].entries()) {
      const [hello] = clearHandshakeMessages(parseTlsRecords(bytes[i] as Buffer).records)
      const body = hello?.body ?? new Uint8Array(0)
      expect(parse(body)).toBeDefined()
      for (let length = 1; length < body.length; length++) {
        if (length === 38 + (body[34] ?? 0) && i === 1) continue // a ServerHello may end before the extensions
        expect(parse(body.subarray(0, length))).toBeUndefined()
      }
    }
  })
})

test('a real connection that was asked for another group shows what came of it', async () => {
  const client = { ecdhCurve: 'X25519:P-256', servername: 'shop.test', ALPNProtocols: ['http/1.1'] } as const
  const { clientHello, serverHello } = session(await record({ ecdhCurve: 'P-256' }, client))
  expect(clientHello).toMatchObject({ serverName: 'shop.test', alpn: ['http/1.1'], keyShares: [X25519] })
  expect(clientHello?.versions).toEqual([TLS_1_3, 0x0303])
  expect(serverHello).toMatchObject({ version: TLS_1_3, group: SECP256R1, retry: false })
})

test('a real connection of TLS 1.2 looks like one', async () => {
  const { clientHello, serverHello } = session(await record({ ecdhCurve: 'P-256' }, { maxVersion: 'TLSv1.2' }))
  expect(clientHello).toMatchObject({ versions: [0x0303], keyShares: [] })
  expect(serverHello).toMatchObject({ version: 0x0303, group: undefined })
})

function inSegments(bytes: Uint8Array, which: typeof ends): Packet[] {
  const packets: Packet[] = []
  for (let at = 0; at < bytes.length; at += 1400) {
    const tcp = { sequence: at, syn: false, fin: false, reset: false }
    const ip = { ...which, protocol: 6, tcp, payload: bytes.subarray(at, at + 1400) }
    packets.push({ atMs: 0, etherType: 0x0800, wireLength: 0, ip })
  }
  return packets
}
