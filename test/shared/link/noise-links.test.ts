import net, { type Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Connection } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { CELL_TYPES, newFrame } from '../../../shared/cell/cell.ts'
import { INITIAL_CREDIT_BYTES } from '../../../shared/link/credit.ts'
import { tcpMultiaddr } from '../../../shared/link/link-multiaddr.ts'
import type { LinkNodeOptions, LinkNodeParts } from '../../../shared/link/link-node.ts'
import { peerOfPublicBytes } from '../../../shared/link/peer.ts'
import type { LinkAddress } from '../../../shared/map/link-address.ts'
import { LOOPBACK, type TestNode, TestNodes } from '../../support/link-nodes.ts'
import { RecordingHandler } from '../../support/link-pair.ts'
import { until } from '../../support/until.ts'

const nodes = new TestNodes()
const cleanUp: (() => unknown)[] = []

afterEach(async () => {
  for (const step of cleanUp.splice(0)) await step()
  await nodes.close()
})

const soon = (): AbortSignal => AbortSignal.timeout(15_000)
const fails = (code: string) => expect.objectContaining({ code })
const hubNode = (options: Partial<LinkNodeOptions> = {}, parts: Partial<LinkNodeParts> = {}): Promise<TestNode> =>
  nodes.start({ listenNoise: [{ ip: LOOPBACK, port: 0 }], ...options }, parts)
const clientNode = (): Promise<TestNode> => nodes.start({ listen: [], dialsNoise: true })
const dial = (from: TestNode, to: TestNode, id = to.id) => from.node.dial(id, [to.noiseAddress], soon(), 'noise')

describe('a link over noise', () => {
  test('is known on both sides by the keys that they proved, and bound to nothing', async () => {
    const [client, hub] = [await clientNode(), await hubNode()]
    const handle = await dial(client, hub)
    const other = await until(() => hub.links[0])
    expect([handle.peerKey, handle.ownKey, handle.initiator]).toEqual([hub.id, client.id, true])
    expect([other.peerKey, other.ownKey, other.initiator]).toEqual([client.id, hub.id, false])
    expect([handle.transport, other.transport, handle.binding, other.binding]).toEqual([
      ...['noise', 'noise'],
      ...[undefined, undefined],
    ])
    expect(other.remoteAddress.reveal()).toBe('127.0.0.1')
  })

  test("carries circuits both ways, and libp2p's own ping beside them", async () => {
    const [client, hub] = [await hubNode(), await hubNode()]
    const handle = await dial(client, hub)
    const handler = new RecordingHandler()
    const end = handle.link.openCircuit()
    end.attach(handler)
    end.send(CELL_TYPES.create, newFrame(3).fill(7))
    const arrived = await until(() => hub.circuits[0])
    expect([arrived.cellClass, arrived.body[0]]).toEqual([3, 7])
    arrived.end.send(CELL_TYPES.cell, newFrame(1).fill(8))
    expect((await until(() => handler.cells[0])).body[0]).toBe(8)
    const { ping } = client.node.libp2p.services as unknown as { ping: Ping }
    expect(await ping.ping(peerOfPublicBytes(hub.id))).toBeGreaterThanOrEqual(0)
    const [connection] = client.node.libp2p.getConnections(peerOfPublicBytes(hub.id)) as [Connection]
    expect([connection.multiplexer, connection.encryption]).toEqual(['/spn/link/1', '/noise'])
    arrived.end.close()
    await until(() => handler.closes === 1)
  })

  test('ends on both sides when one side ends it, and can be made again', async () => {
    const [client, hub] = [await clientNode(), await hubNode()]
    for (let i = 1; i <= 3; i++) {
      const handle = await dial(client, hub)
      await until(() => hub.links.length === i)
      const [ending, other] = i % 2 === 0 ? [handle, hub.links.at(-1)!] : [hub.links.at(-1)!, handle]
      ending.close()
      await until(() => other.link.closed)
    }
    await until(() => client.node.libp2p.getConnections().length + hub.node.libp2p.getConnections().length === 0)
  })

  test('holds no more than it may when the other side stops reading', async () => {
    const [client, hub] = [await clientNode(), await hubNode()]
    const wire = await between(hub.noiseAddress)
    const handle = await client.node.dial(hub.id, [wire.address], soon(), 'noise')
    wire.stop()
    // Each circuit sends all that it has credit for: much more than the system buffers for one connection.
    const circuits = Array.from({ length: 100 }, () => handle.link.openCircuit())
    for (const end of circuits) {
      end.send(CELL_TYPES.create, newFrame(4))
      for (let i = 0; i < 6; i++) end.send(CELL_TYPES.cell, newFrame(4))
    }
    const all = 100 * 7 * 16_384
    expect(7 * 16_384).toBeLessThan(INITIAL_CREDIT_BYTES)
    await quiet(() => handle.link.heldBytes)
    expect(handle.link.heldBytes).toBeGreaterThan(all / 2) // in the circuits: their credit bounds it
    wire.goOn()
    await until(() => handle.link.heldBytes === 0)
    await until(() => hub.circuits.length === 100)
  })

  test('ends in a while also when the other side reads nothing of what is queued', async () => {
    const [client, hub] = [await clientNode(), await hubNode()]
    const wire = await between(hub.noiseAddress)
    const handle = await client.node.dial(hub.id, [wire.address], soon(), 'noise')
    wire.stop()
    for (let i = 0; i < 1_000; i++) handle.link.openCircuit().send(CELL_TYPES.create, newFrame(4))
    await quiet(() => handle.link.heldBytes)
    handle.close()
    await until(() => client.node.libp2p.getConnections().length === 0)
    expect([...client.node.links]).toEqual([])
  })
})

describe('a dial over noise fails by name', () => {
  test('peer-identity, if somebody else answers', async () => {
    const [client, hub, other] = [await clientNode(), await hubNode(), await hubNode()]
    await expect(dial(client, hub, other.id)).rejects.toEqual(fails('peer-identity'))
    await until(() => hub.node.libp2p.getConnections().length === 0)
    expect([...client.node.links]).toEqual([])
  })

  test('link-network, if the peer belongs to another network', async () => {
    const [client, hub] = [await clientNode(), await hubNode({ networkId: new Uint8Array(32) })]
    await expect(dial(client, hub)).rejects.toEqual(fails('link-network'))
  })

  test('link-version, if the peer is a libp2p program that has no links', async () => {
    const program = await standardProgram(['/ip4/127.0.0.1/tcp/0'])
    const [address] = program.getMultiaddrs()
    const port = Number(address?.getComponents().find(({ name }) => name === 'tcp')?.value)
    const id = program.peerId.publicKey?.raw as Uint8Array
    const client = await clientNode()
    await expect(client.node.dial(id, [{ ip: LOOPBACK, port }], soon(), 'noise')).rejects.toEqual(fails('link-version'))
    await until(() => client.node.libp2p.getConnections().length === 0)
  })

  test('and never goes over the other transport: where TLS is spoken there is no noise, and the other way round', async () => {
    const [client, hub] = [await clientNode(), await hubNode()]
    await expect(client.node.dial(hub.id, [hub.address], soon(), 'noise')).rejects.toMatchObject({ name: 'Fault' })
    await expect(client.node.dial(hub.id, [hub.noiseAddress], soon(), 'tls')).rejects.toMatchObject({ name: 'Fault' })
    const plain = await nodes.start({ listen: [] })
    await expect(dial(plain, hub)).rejects.toEqual(fails('next-unreachable'))
    expect(hub.links).toEqual([])
  })
})

describe('limits of a node over noise', () => {
  test('links at the cap are taken, one past it is not', async () => {
    const hub = await hubNode({ maxLinks: 2 })
    const others = [await clientNode(), await clientNode(), await clientNode()] as const
    const first = await dial(others[0], hub)
    await dial(others[1], hub)
    await expect(dial(others[2], hub)).rejects.toMatchObject({ name: 'Fault' })
    first.close()
    await until(() => [...hub.node.links].length === 1)
    expect((await dial(others[2], hub)).link.closed).toBe(false)
  })

  test('an address that is not admitted gets no handshake', async () => {
    const asked: string[] = []
    const hub = await hubNode({}, { admits: (address) => asked.push(address) > 1 })
    const client = await clientNode()
    await expect(dial(client, hub)).rejects.toMatchObject({ name: 'Fault' })
    expect((await dial(client, hub)).link.closed).toBe(false)
    expect(asked).toEqual(['127.0.0.1', '127.0.0.1'])
  })

  test('an address that was admitted is told of when it has left, link or not', async () => {
    const admitted: string[] = []
    const left: string[] = []
    const hub = await hubNode({}, { admits: (address) => admitted.push(address) > 0, onLeft: (a) => void left.push(a) })
    const handle = await dial(await clientNode(), hub)
    const mute = net.connect({ host: '127.0.0.1', port: hub.noiseAddress.port }).on('error', () => {})
    await until(() => admitted.length === 2)
    mute.destroy()
    await until(() => left.length === 1)
    handle.close()
    await until(() => left.length === 2)
    expect(left).toEqual(['127.0.0.1', '127.0.0.1'])
  })

  test('connections of other libp2p programs are taken up to 64, which links do not count for', async () => {
    const hub = await hubNode()
    const program = await standardProgram([])
    const open = async (): Promise<Connection | undefined> => {
      const connection = await program.dial(tcpMultiaddr(hub.noiseAddress), { force: true }).catch(() => undefined)
      return connection
    }
    const held = await Promise.all(Array.from({ length: 64 }, open))
    expect(held.filter((connection) => connection?.status === 'open')).toHaveLength(64)
    const more = await open()
    await until(() => more === undefined || more.status !== 'open')
    expect((await dial(await clientNode(), hub)).link.closed).toBe(false)
    await held[0]?.close()
    await until(() => hub.node.libp2p.getConnections(program.peerId).length < 64)
    expect(await program.services.ping.ping(peerOfPublicBytes(hub.id))).toBeGreaterThanOrEqual(0)
  })
})

async function standardProgram(listen: string[]): Promise<Libp2p<{ ping: Ping }>> {
  const program = await createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { ping: ping() },
  })
  cleanUp.push(() => program.stop())
  return program
}

interface Wire {
  readonly address: LinkAddress
  /** From now on nothing is read of what the dialling side sends. */
  stop(): void
  goOn(): void
}

/** A way to this address that can be stopped. */
async function between(to: LinkAddress): Promise<Wire> {
  let from: Socket | undefined
  let onward: Socket | undefined
  const server = net.createServer((socket) => {
    from = socket
    onward = net.connect({ host: '127.0.0.1', port: to.port })
    for (const one of [from, onward]) one.on('error', () => {})
    from.pipe(onward).pipe(from)
    cleanUp.push(() => {
      from?.destroy()
      onward?.destroy()
    })
  })
  cleanUp.push(() => server.close())
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return {
    address: { ip: LOOPBACK, port: (server.address() as net.AddressInfo).port },
    stop: () => {
      from?.unpipe(onward)
      from?.pause()
    },
    goOn: () => void (onward && from?.pipe(onward)),
  }
}

/** Waits until a number does not change any more for many turns of the event loop. */
async function quiet(look: () => number): Promise<void> {
  for (let [same, before] = [0, look()]; same < 2_000; same = look() === before ? same + 1 : 0) {
    before = look()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
