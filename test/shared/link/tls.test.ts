import { X509Certificate } from 'node:crypto'
import type net from 'node:net'
import tls, { type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { CELL_TYPES, type CellClass, newFrame } from '../../../shared/cell/cell.ts'
import { encodeFrame, FRAME_TYPES, WRITE_UNIT_BYTES } from '../../../shared/link/frame.ts'
import { createLinkCertificate } from '../../../shared/link/link-certificate.ts'
import { libp2pKeyFromSeed } from '../../../shared/link/peer.ts'
import { EXPORTER_BYTES, LINK_TLS_GROUP, LINK_TLS_OPTIONS } from '../../../shared/link/tls-parameters.ts'
import { LOOPBACK, NODE_NETWORK_ID, type TestNode, TestNodes } from '../../support/link-nodes.ts'
import { RecordingProxy } from '../../support/tcp-proxy.ts'
import { throwAwayCertificate } from '../../support/throw-away-certificate.ts'
import { until } from '../../support/until.ts'
import { parseClientHello, parseServerHello, TLS_1_3, X25519_MLKEM768 } from '../../world/tls-hello.ts'
import { clearHandshakeMessages, parseTlsRecords, RECORD } from '../../world/tls-records.ts'

/** What a record of TLS 1.3 holds besides its content: the type of it (1) and the tag (16). */
const RECORD_OVERHEAD = 17

const nodes = new TestNodes()
const cleanUp: (() => unknown)[] = []

afterEach(async () => {
  for (const step of cleanUp.splice(0)) await step()
  await nodes.close()
})

const identity = async (seed: number) => createLinkCertificate(await libp2pKeyFromSeed(new Uint8Array(32).fill(seed)))
const idOf = async (seed: number) => (await libp2pKeyFromSeed(new Uint8Array(32).fill(seed))).publicKey.raw
const soon = (): AbortSignal => AbortSignal.timeout(15_000)
const HELLO = encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(1), NODE_NETWORK_ID))

/** A TLS server of our own making, in the place of a hub. */
async function fakeHub(options: TlsOptions, onSocket: (socket: TLSSocket) => void = () => {}): Promise<number> {
  const server = tls.createServer({ requestCert: true, rejectUnauthorized: false, ...options }, onSocket)
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket: net.Socket) => sockets.add(socket))
  server.on('tlsClientError', () => {})
  cleanUp.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return (server.address() as net.AddressInfo).port
}

/** A TLS client of our own making at the port of a node; undefined if the handshake fails. */
function fakeClient(node: TestNode, options: ConnectionOptions): Promise<TLSSocket | undefined> {
  const socket = tls.connect({ rejectUnauthorized: false, host: '127.0.0.1', port: node.address.port, ...options })
  cleanUp.push(() => socket.destroy())
  return new Promise((resolve) => {
    socket.on('error', () => resolve(undefined))
    socket.once('secureConnect', () => resolve(socket))
  })
}

describe('the certificate of a link', () => {
  test('says nothing about who made it when: fixed dates, no name, a key of its own each time', async () => {
    const [one, two] = [await identity(1), await identity(1)]
    const certificates = [one, two].map(({ cert }) => new X509Certificate(cert))
    for (const certificate of certificates) {
      expect(new Date(certificate.validFrom).toISOString()).toBe('2020-01-01T00:00:00.000Z')
      expect(new Date(certificate.validTo).toISOString()).toBe('2120-01-01T00:00:00.000Z')
      expect([certificate.subject, certificate.issuer, certificate.subjectAltName]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
      expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
    }
    const [first, second] = certificates
    expect(first?.serialNumber).not.toBe(second?.serialNumber)
    expect(first?.publicKey.equals(second?.publicKey as never)).toBe(false)
    expect(first?.raw.length).toBeDefined()
  })
})

describe('the TLS of a link', () => {
  test.each<[string, TlsOptions]>([
    ['of another group', { ecdhCurve: 'X25519' }],
    ['that takes no client certificates, and is of another group', { ecdhCurve: 'P-256', requestCert: false }],
    ['before 1.3', { maxVersion: 'TLSv1.2' }],
  ])('is refused by who dials, if it is %s', async (_what, options) => {
    const port = await fakeHub({ ...(await identity(5)), ...options })
    const a = await nodes.start()
    await expect(a.node.dial(await idOf(5), [{ ip: LOOPBACK, port }], soon())).rejects.toMatchObject({ name: 'Fault' })
    expect(a.links).toEqual([])
  })

  test('is refused by who dials, if the certificate has no identity in it', async () => {
    const port = await fakeHub({ ...LINK_TLS_OPTIONS, ...(await throwAwayCertificate('hub')) })
    const a = await nodes.start()
    const dial = a.node.dial(await idOf(5), [{ ip: LOOPBACK, port }], soon())
    await expect(dial).rejects.toMatchObject({ code: 'peer-identity' })
  })

  test.each<[string, (own: { cert: string; key: string }) => ConnectionOptions]>([
    ['of another group', (own) => ({ ...own, ecdhCurve: 'X25519' })],
    ['before 1.3', (own) => ({ ...own, maxVersion: 'TLSv1.2' })],
    ['without a certificate', () => LINK_TLS_OPTIONS],
  ])('is refused by who listens, if it is %s', async (_what, optionsOf) => {
    const hub = await nodes.start()
    const socket = await fakeClient(hub, optionsOf(await identity(6)))
    if (socket === undefined) return // refused in the handshake
    socket.write(HELLO)
    await until(() => socket.destroyed || socket.readableEnded || socket.closed)
    expect(hub.links).toEqual([])
  })

  test('is refused by who listens, if the certificate has no identity in it', async () => {
    const hub = await nodes.start()
    const socket = await fakeClient(hub, { ...LINK_TLS_OPTIONS, ...(await throwAwayCertificate('client')) })
    expect(socket).toBeDefined()
    await until(() => (socket as TLSSocket).closed)
    expect(hub.links).toEqual([])
  })

  test('goes by the group that both took: a fake client with the right one is let in', async () => {
    const hub = await nodes.start()
    const socket = (await fakeClient(hub, { ...LINK_TLS_OPTIONS, ...(await identity(6)) })) as TLSSocket
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: LINK_TLS_GROUP })
    expect(socket.alpnProtocol).toBe(false)
    socket.resume().write(HELLO)
    const link = await until(() => hub.links[0])
    expect(link.peerKey).toEqual(await idOf(6))
    const exported = socket.exportKeyingMaterial(EXPORTER_BYTES, 'EXPORTER-spn-link-1', Buffer.alloc(0))
    expect(link.binding).toEqual(new Uint8Array(exported))
  })

  test('takes no ALPN: whoever offers a protocol gets none', async () => {
    const hub = await nodes.start()
    const socket = await fakeClient(hub, { ...LINK_TLS_OPTIONS, ...(await identity(6)), ALPNProtocols: ['libp2p'] })
    expect(socket).toBeDefined()
    expect((socket as TLSSocket).alpnProtocol).toBe(false)
  })

  test('is never resumed: a session ticket that is offered again is worth nothing', async () => {
    const hub = await nodes.start()
    const own = await identity(6)
    const first = (await fakeClient(hub, { ...LINK_TLS_OPTIONS, ...own })) as TLSSocket
    const session = await new Promise<Buffer>((resolve) => first.once('session', resolve))
    first.destroy()
    const second = await fakeClient(hub, { ...LINK_TLS_OPTIONS, ...own, session })
    if (second === undefined || !second.isSessionReused()) return
    second.write(HELLO)
    await until(() => second.closed)
    expect(hub.links).toEqual([])
  })
})

describe('a peer that ends the connection right after the handshake', () => {
  test.each([
    ['nothing', new Uint8Array(0)],
    ['bytes that are no frame', new Uint8Array(100).fill(255)],
    ['a HELLO, and bytes that are no frame', concatBytes(HELLO, new Uint8Array(100).fill(255))],
    ['only the beginning of a HELLO', HELLO.subarray(0, 20)],
  ])('and %s: the dial fails by name', async (_what, bytes) => {
    const port = await fakeHub({ ...LINK_TLS_OPTIONS, ...(await identity(5)) }, (socket) => {
      socket.on('error', () => {})
      socket.end(bytes)
    })
    const a = await nodes.start()
    const dial = a.node.dial(await idOf(5), [{ ip: LOOPBACK, port }], soon())
    const result = await dial.catch((error: unknown) => error)
    // A HELLO that was right makes a link, which may be over by now.
    if (result instanceof Error) expect(result).toMatchObject({ name: 'Fault' })
    await until(() => a.node.libp2p.getConnections().length === 0)
    expect([...a.node.links]).toEqual([])
  })
})

describe('a listener', () => {
  test('outlives failures to accept a connection, as when there are no more file descriptors', async () => {
    const spy = jest.spyOn(tls, 'createServer')
    const hub = await nodes.start()
    const server = spy.mock.results[0]?.value as tls.Server
    spy.mockRestore()
    for (let i = 0; i < 3; i++) server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }))
    const a = await nodes.start()
    expect((await a.node.dial(hub.id, [hub.address], soon())).link.closed).toBe(false)
  })
})

describe('what an observer sees of a link', () => {
  /** A link through a recording proxy, with some traffic of every kind on it. */
  async function observed(): Promise<{ toServer: Uint8Array; toClient: Uint8Array }> {
    const [a, b] = [await nodes.start(), await nodes.start()]
    const proxy = new RecordingProxy(b.address.port)
    cleanUp.push(() => proxy.close())
    const port = await proxy.start()
    const handle = await a.node.dial(b.id, [{ ip: LOOPBACK, port }], soon())
    for (const cellClass of [1, 2, 3, 4] as const) {
      for (const length of [1, 5, 17]) sendCells(handle.link.openCircuit(), cellClass, length)
    }
    const { services } = a.node.libp2p as never as { services: { ping: { ping(id: unknown): Promise<number> } } }
    for (let i = 0; i < 3; i++) await services.ping.ping(b.node.libp2p.peerId)
    await until(() => b.circuits.length === 12)
    for (const { end } of b.circuits) end.close()
    await until(() => handle.link.circuitCount === 0)
    const [record] = proxy.connections
    return { toServer: concatBytes(...(record?.toServer ?? [])), toClient: concatBytes(...(record?.toClient ?? [])) }
  }

  function sendCells(
    end: ReturnType<TestNode['links'][0]['link']['openCircuit']>,
    cellClass: CellClass,
    n: number,
  ): void {
    end.send(CELL_TYPES.create, newFrame(3))
    for (let i = 0; i < n; i++) end.send(CELL_TYPES.cell, newFrame(cellClass))
  }

  test('is TLS 1.3 with the post-quantum group alone, without name or protocol, in records of whole units', async () => {
    const { toServer, toClient } = await observed()
    const [sent, answered] = [parseTlsRecords(toServer), parseTlsRecords(toClient)]
    expect([sent.broken, answered.broken]).toEqual([false, false])
    const clientHello = parseClientHello(clearHandshakeMessages(sent.records)[0]?.body ?? new Uint8Array(0))
    expect(clientHello).toMatchObject({
      ...{ versions: [TLS_1_3], groups: [X25519_MLKEM768], keyShares: [X25519_MLKEM768], resumes: false },
    })
    expect([clientHello?.alpn, clientHello?.serverName]).toEqual([undefined, undefined])
    const serverHello = parseServerHello(clearHandshakeMessages(answered.records)[0]?.body ?? new Uint8Array(0))
    expect(serverHello).toMatchObject({ version: TLS_1_3, group: X25519_MLKEM768, retry: false })

    const odd = [sent, answered].map(({ records }) =>
      records
        .filter(({ type }) => type === RECORD.applicationData)
        .map(({ fragment }) => fragment.length - RECORD_OVERHEAD)
        .map((bytes, i) => ({ bytes, i }))
        .filter(({ bytes }) => bytes % WRITE_UNIT_BYTES !== 0),
    )
    // Only the handshake itself is odd: certificate, proof and end of the client; those of the server, two more, two tickets.
    expect(odd.map((records) => records.length)).toEqual([3, 7])
    expect(odd.flat().every(({ i }) => i < 10)).toBe(true)
    expect(sent.records.length).toBeGreaterThan(20)
  })
})
