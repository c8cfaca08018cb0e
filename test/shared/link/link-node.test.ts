import net from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import { noise } from '@chainsafe/libp2p-noise'
import { afterEach, describe, expect, test } from '@jest/globals'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { CELL_TYPES, newFrame } from '../../../shared/cell/cell.ts'
import { HELLO_LIMIT_MS } from '../../../shared/link/link.ts'
import { createLinkCertificate } from '../../../shared/link/link-certificate.ts'
import { tcpMultiaddr } from '../../../shared/link/link-multiaddr.ts'
import { libp2pKeyFromSeed, peerOfPublicBytes } from '../../../shared/link/peer.ts'
import { LINK_TLS_OPTIONS } from '../../../shared/link/tls-parameters.ts'
import { LOOPBACK, type TestNode, TestNodes } from '../../support/link-nodes.ts'
import { RecordingHandler } from '../../support/link-pair.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { until } from '../../support/until.ts'

type Services = { readonly services: { readonly ping: Ping; readonly identify: Identify } }

const nodes = new TestNodes()
const cleanUp: (() => unknown)[] = []

afterEach(async () => {
  delete process.env.DUMP_SESSION_KEYS
  for (const step of cleanUp.splice(0)) await step()
  await nodes.close()
})

const soon = (): AbortSignal => AbortSignal.timeout(15_000)
const dial = (from: TestNode, to: TestNode, id = to.id) => from.node.dial(id, [to.address], soon())
const fails = (code: string) => expect.objectContaining({ code })

describe('a link between two nodes', () => {
  test('is known on both sides by the keys that they proved, and bound to one TLS session', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    const handle = await dial(a, b)
    const other = await until(() => b.links[0])
    expect([handle.peerKey, handle.ownKey, handle.initiator]).toEqual([b.id, a.id, true])
    expect([other.peerKey, other.ownKey, other.initiator]).toEqual([a.id, b.id, false])
    expect(other.binding).toEqual(handle.binding)
    expect(other.binding).toHaveLength(32)
    expect(other.remoteAddress.reveal()).toBe('127.0.0.1')
    expect(`${other.remoteAddress}${JSON.stringify(other.remoteAddress)}`).not.toContain('127')
  })

  test('has another binding each time', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    const first = await dial(a, b)
    await a.node.hangUp(b.id)
    const second = await dial(a, b)
    expect(second).not.toBe(first)
    expect(second.binding).not.toEqual(first.binding)
  })

  test('carries circuits both ways', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    const handle = await dial(a, b)
    const other = await until(() => b.links[0])
    const handler = new RecordingHandler()
    const end = handle.link.openCircuit()
    end.attach(handler)
    end.send(CELL_TYPES.create, newFrame(3).fill(7))
    const arrived = await until(() => b.circuits[0])
    expect([arrived.cellClass, arrived.body[0], arrived.handle]).toEqual([3, 7, other])
    arrived.end.send(CELL_TYPES.cell, newFrame(1).fill(8))
    expect((await until(() => handler.cells[0])).body[0]).toBe(8)
    other.link.openCircuit().send(CELL_TYPES.create, newFrame(4))
    expect((await until(() => a.circuits[0])).cellClass).toBe(4)
    arrived.end.close()
    await until(() => handler.closes === 1)
    await until(() => handle.link.circuitCount === 1)
  })

  test("lets libp2p's own ping and identify run over it", async () => {
    const [a, b] = [await nodes.start({ agent: 'agent-a' }), await nodes.start({ agent: 'agent-b' })]
    await dial(a, b)
    const { services } = a.node.libp2p as unknown as Services
    const peer = peerOfPublicBytes(b.id)
    expect(await services.ping.ping(peer)).toBeGreaterThanOrEqual(0)
    const [connection] = a.node.libp2p.getConnections(peer) as [Connection]
    expect((await services.identify.identify(connection)).agentVersion).toBe('agent-b')
    expect(connection.multiplexer).toBe('/spn/link/1')
  })

  test('is one, however many ask for it at the same time', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    const handles = await Promise.all([dial(a, b), dial(a, b), dial(a, b)])
    expect(new Set(handles).size).toBe(1)
    expect(await dial(a, b)).toBe(handles[0])
    expect(b.links).toHaveLength(1)
  })

  test('can be made again at once when the one before has just broken', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    for (let i = 0; i < 5; i++) {
      const handle = await dial(a, b)
      handle.close()
      expect(a.node.linkTo(b.id)).toBeUndefined()
    }
    expect((await dial(a, b)).link.closed).toBe(false)
  })

  test('ends on both sides when one side ends it', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    const handle = await dial(a, b)
    const handler = new RecordingHandler()
    handle.link.openCircuit().attach(handler)
    await until(() => b.links[0])
    await b.node.hangUp(a.id)
    await until(() => a.closed.length === 1 && b.closed.length === 1)
    expect([handler.closes, a.closed[0]?.fault.code]).toEqual([1, 'link-closed'])
    expect([[...a.node.links], [...b.node.links]]).toEqual([[], []])
    await until(() => a.node.libp2p.getConnections().length + b.node.libp2p.getConnections().length === 0)
  })
})

describe('a dial fails by name', () => {
  test('peer-identity, if somebody else answers', async () => {
    const [a, b, c] = [await nodes.start(), await nodes.start(), await nodes.start()]
    await expect(dial(a, b, c.id)).rejects.toEqual(fails('peer-identity'))
    await until(() => b.node.libp2p.getConnections().length === 0)
    expect([...a.node.links]).toEqual([])
  })

  test('link-network, if the peer belongs to another network', async () => {
    const [a, b] = [await nodes.start(), await nodes.start({ networkId: new Uint8Array(32) })]
    await expect(dial(a, b)).rejects.toEqual(fails('link-network'))
  })

  test('next-unreachable, if nobody listens, or there is no address', async () => {
    const a = await nodes.start()
    const { id } = await nodes.start()
    await expect(a.node.dial(id, [{ ip: LOOPBACK, port: 1 }], soon())).rejects.toEqual(fails('next-unreachable'))
    await expect(a.node.dial(id, [], soon())).rejects.toEqual(fails('next-unreachable'))
  })

  test('and ends when its signal does, if the listener does not speak', async () => {
    const [a, { id }] = [await nodes.start(), await nodes.start()]
    const giveUp = new AbortController()
    const silent = net.createServer(() => giveUp.abort())
    cleanUp.push(() => silent.close())
    await new Promise<void>((resolve) => silent.listen({ host: '127.0.0.1', port: 0 }, resolve))
    const { port } = silent.address() as net.AddressInfo
    await expect(a.node.dial(id, [{ ip: LOOPBACK, port }], giveUp.signal)).rejects.toMatchObject({ name: 'Fault' })
  })

  test('and when its signal was aborted before, at once', async () => {
    const [a, b] = [await nodes.start(), await nodes.start()]
    await expect(a.node.dial(b.id, [b.address], AbortSignal.abort())).rejects.toMatchObject({ name: 'Fault' })
  })

  test('port-in-use, for a node that wants an address that is taken', async () => {
    const a = await nodes.start()
    await expect(nodes.start({ listen: [a.address] })).rejects.toEqual(fails('port-in-use'))
    await expect(nodes.start({ listen: [], listenNoise: [a.address] })).rejects.toEqual(fails('port-in-use'))
  })

  test('address-unavailable, for an address that this computer does not have', async () => {
    const listen = [{ ip: Uint8Array.of(192, 0, 2, 1), port: 0 }]
    await expect(nodes.start({ listen })).rejects.toEqual(fails('address-unavailable'))
  })

  test('options-invalid, as long as the environment makes a library write session keys', async () => {
    process.env.DUMP_SESSION_KEYS = '/tmp/keys'
    await expect(nodes.start()).rejects.toEqual(fails('options-invalid'))
  })
})

describe('limits of a node', () => {
  test('links at the cap are taken, one past it is not, and the node can still go on by itself', async () => {
    const hub = await nodes.start({ maxLinks: 2 })
    const others = [await nodes.start(), await nodes.start(), await nodes.start()] as const
    const first = await dial(others[0], hub)
    await dial(others[1], hub)
    await expect(dial(others[2], hub)).rejects.toMatchObject({ name: 'Fault' })
    expect((await dial(hub, others[2])).link.closed).toBe(false)
    expect(first.link.closed).toBe(false)
    await others[2].node.hangUp(hub.id)
    first.close()
    await until(() => [...hub.node.links].length === 1)
    expect((await dial(others[2], hub)).link.closed).toBe(false)
  })

  test('an address that is not admitted gets no TLS', async () => {
    const asked: string[] = []
    const admits = (address: string): boolean => asked.push(address) > 1
    const hub = await nodes.start({}, { admits })
    const a = await nodes.start()
    await expect(dial(a, hub)).rejects.toMatchObject({ name: 'Fault' })
    expect((await dial(a, hub)).link.closed).toBe(false)
    expect(asked).toEqual(['127.0.0.1', '127.0.0.1'])
  })

  test('an address that was admitted is told of when it has left, link or not', async () => {
    const left: string[] = []
    const hub = await nodes.start({}, { onLeft: (address) => void left.push(address) })
    const a = await nodes.start()
    const link = await dial(a, hub)
    const mute = await connectMutely(hub)
    expect(left).toEqual([])
    mute.destroy()
    await until(() => left.length === 1)
    link.close()
    await until(() => left.length === 2)
    expect(left).toEqual(['127.0.0.1', '127.0.0.1'])
  })

  test('a peer that proves who it is and then says nothing takes up a place for a while only', async () => {
    const clock = new ManualClock()
    const hub = await nodes.start({ maxLinks: 1 }, { clock })
    const mute = await connectMutely(hub)
    const a = await nodes.start()
    await expect(dial(a, hub)).rejects.toMatchObject({ name: 'Fault' }) // it counts, although it never was a link
    clock.advance(HELLO_LIMIT_MS)
    await until(() => mute.destroyed)
    expect((await dial(a, hub)).link.closed).toBe(false)
  })
})

describe('standard libp2p programs', () => {
  const standard = async (): Promise<Libp2p<Services['services']>> => {
    const program = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { ping: ping(), identify: identify() },
    })
    cleanUp.push(() => program.stop())
    return program
  }

  test('reach the noise port of a hub: ping and identify', async () => {
    const hub = await nodes.start({ listenNoise: [{ ip: LOOPBACK, port: 0 }], agent: 'spn-hub' })
    const program = await standard()
    const connection = await program.dial(tcpMultiaddr(hub.noiseAddress))
    expect(connection.remotePeer.equals(peerOfPublicBytes(hub.id))).toBe(true)
    expect(await program.services.ping.ping(connection.remotePeer)).toBeGreaterThanOrEqual(0)
    expect((await program.services.identify.identify(connection)).agentVersion).toBe('spn-hub')
    expect([...hub.node.links]).toEqual([])
  })

  test('are no links, and do not stand in the way of one by the same peer', async () => {
    const hub = await nodes.start({ listenNoise: [{ ip: LOOPBACK, port: 0 }] })
    const other = await nodes.start({ listenNoise: [{ ip: LOOPBACK, port: 0 }] })
    await other.node.libp2p.dial(tcpMultiaddr(hub.noiseAddress))
    expect(hub.node.linkTo(other.id)).toBeUndefined()
    expect((await dial(hub, other)).link.closed).toBe(false)
  })
})

/** A TLS connection that shows a certificate and never sends a HELLO. */
async function connectMutely(to: TestNode): Promise<TLSSocket> {
  const certificate = await createLinkCertificate(await libp2pKeyFromSeed(new Uint8Array(32).fill(77)))
  const socket = tls.connect({ ...LINK_TLS_OPTIONS, ...certificate, host: '127.0.0.1', port: to.address.port })
  socket.on('error', () => {})
  cleanUp.push(() => socket.destroy())
  await new Promise((resolve) => socket.once('data', resolve)) // the HELLO of the other side: the link is there
  return socket.resume()
}
