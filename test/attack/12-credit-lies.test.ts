import { afterEach, describe, expect, test } from '@jest/globals'
import { Fault } from '../../shared/base/fault.ts'
import { CELL_TYPES, type CellClass, type CellType, newFrame } from '../../shared/cell/cell.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { CREDIT_QUANTUM_BYTES, INITIAL_CREDIT_BYTES } from '../../shared/link/credit.ts'
import { encodeFrame, FRAME_TYPES, writeCellHeader } from '../../shared/link/frame.ts'
import { CLOSING_LIMIT_MS } from '../../shared/link/link.ts'
import { LOOPBACK, type TestNode, TestNodes } from '../support/link-nodes.ts'
import { RecordingHandler } from '../support/link-pair.ts'
import { concatAll, MemoryNetwork } from '../support/memory-network.ts'
import { until } from '../support/until.ts'
import { FrameTap } from './support/frame-tap.ts'
import { helloFrame, type RawLink, RawLinks, rawIdentity } from './support/raw-link.ts'

/*
 * A peer sends more than it was given credit for, or grants credit for what it never got. Either ends the link: what one
 * circuit can make a hub hold is its credit and not a byte more.
 */

const nodes = new TestNodes()
const raws = new RawLinks()

afterEach(async () => {
  await raws.close()
  await nodes.close()
})

interface Scene {
  readonly evil: RawLink
  readonly node: TestNode
  /** Our end of the circuit, whose reader never releases anything. */
  readonly end: CircuitEnd
  readonly handler: RecordingHandler
  /** Bytes that the evil side has sent on it, and that ours has. */
  readonly spent: number
  readonly sent: number
}

const CREATE_BYTES = 4096

/** One circuit between a real node and an evil peer, over real TLS. */
const SCENES: Readonly<Record<string, () => Promise<Scene>>> = {
  'that dialled': async () => {
    const node = await nodes.start()
    const evil = (await raws.dial(node.address.port, await rawIdentity(6))) as RawLink
    evil.send(helloFrame(), cellFrame(CELL_TYPES.create, 77, 3))
    const { end } = await until(() => node.circuits[0])
    const handler = new RecordingHandler()
    end.attach(handler)
    return { evil, node, end, handler, spent: CREATE_BYTES, sent: 0 }
  },
  'that listened': async () => {
    const identity = await rawIdentity(5)
    const links: RawLink[] = []
    const port = await raws.listen(identity, (link) => {
      links.push(link)
      link.send(helloFrame())
    })
    const node = await nodes.start()
    const handle = await node.node.dial(identity.id, [{ ip: LOOPBACK, port }], AbortSignal.timeout(15_000))
    const end = handle.link.openCircuit()
    const handler = new RecordingHandler()
    end.attach(handler)
    end.send(CELL_TYPES.create, newFrame(3))
    const [evil] = links as [RawLink]
    await until(() => evil.ofType(FRAME_TYPES.create).length === 1)
    return { evil, node, end, handler, spent: 0, sent: CREATE_BYTES }
  },
}

function cellFrame(type: CellType, id: number, cellClass: CellClass): Uint8Array {
  const frame = newFrame(cellClass)
  writeCellHeader(frame, type, cellClass, id)
  return frame
}

const cells = (end: CircuitEnd, bytes: number): Uint8Array[] =>
  Array.from({ length: bytes / 512 }, () => cellFrame(CELL_TYPES.cell, end.id, 1))
const credits = (end: CircuitEnd, count: number): Uint8Array[] =>
  Array.from({ length: count }, () => encodeFrame(FRAME_TYPES.credit, end.id, new Uint8Array(0)))

/** The link is over, by the fault of the peer, and nothing is left of it. */
async function expectEnd({ node, evil, handler }: Scene): Promise<void> {
  await until(() => node.closed[0] !== undefined && evil.closed)
  expect([node.closed.map(({ fault }) => fault.code), handler.closes]).toEqual([['link-protocol'], 1])
  const [{ handle }] = node.closed as [TestNode['closed'][0]]
  expect([handle.link.circuitCount, handle.link.heldBytes, [...node.node.links]]).toEqual([0, 0, []])
}

describe.each(Object.keys(SCENES))('a peer %s', (who) => {
  const start = SCENES[who] as () => Promise<Scene>

  test('sends all its credit, and a cell beyond it: the cell is not taken, and the link ends', async () => {
    const scene = await start()
    const { evil, node, end, handler, spent } = scene
    evil.send(...cells(end, INITIAL_CREDIT_BYTES - spent))
    const all = (INITIAL_CREDIT_BYTES - spent) / 512
    await until(() => handler.cells.length === all)
    expect([node.closed, end.heldBytes]).toEqual([[], INITIAL_CREDIT_BYTES])
    evil.send(...cells(end, 512))
    await expectEnd(scene)
    expect(handler.cells.length).toBe(all)
  })

  test('gets back a quantum, and sends one cell more than that', async () => {
    const scene = await start()
    const { evil, end, handler, spent } = scene
    evil.send(...cells(end, INITIAL_CREDIT_BYTES - spent))
    await until(() => handler.cells.length === (INITIAL_CREDIT_BYTES - spent) / 512)
    end.release(CREDIT_QUANTUM_BYTES)
    await until(() => evil.ofType(FRAME_TYPES.credit).length === 1)
    const before = handler.cells.length
    evil.send(...cells(end, CREDIT_QUANTUM_BYTES + 512))
    await expectEnd(scene)
    expect(handler.cells.length - before).toBe(CREDIT_QUANTUM_BYTES / 512)
  })

  test('grants credit on a circuit that has sent nothing, or too little for a quantum', async () => {
    const scene = await start()
    scene.evil.send(...credits(scene.end, 1))
    await expectEnd(scene)
  })

  test('grants twice as much as it got, for a window that grows, and a quantum more', async () => {
    const scene = await start()
    const { evil, node, end, sent } = scene
    for (let bytes = sent; bytes < CREDIT_QUANTUM_BYTES; bytes += 4096) end.send(CELL_TYPES.cell, newFrame(3))
    await until(() => evil.ofType(FRAME_TYPES.cell).length === (CREDIT_QUANTUM_BYTES - sent) / 4096)
    evil.send(...credits(end, 2))
    await until(() => end.room === INITIAL_CREDIT_BYTES + CREDIT_QUANTUM_BYTES)
    expect(node.closed).toEqual([])
    evil.send(...credits(end, 1))
    await expectEnd(scene)
  })

  test('grants credit to circuits that do not exist: no other gets it', async () => {
    const { evil, node, end } = await start()
    const { room } = end
    for (const id of [end.id + 1, end.id + 2, 0xffff_ffff]) {
      evil.send(encodeFrame(FRAME_TYPES.credit, id, new Uint8Array(0)))
    }
    evil.send(encodeFrame(FRAME_TYPES.ping, 0, new Uint8Array(8)))
    await until(() => evil.ofType(FRAME_TYPES.pong).length === 1)
    expect([end.room, node.closed]).toEqual([room, []])
  })
})

describe('on a path whose reader stalls', () => {
  const PATH = ['a', 'b', 'c']
  const WIRES = ['client>a', 'a>b', 'b>c', 'c>b', 'b>a', 'a>client'] as const

  test.each(WIRES)('a sender on %s that takes credit which nobody gave is cut off by the next one', async (wire) => {
    const [from, to] = wire.split('>') as [string, string]
    const network = new MemoryNetwork(PATH, { autoRelease: false })
    const tap = new FrameTap(network)
    const client = network.open('client', PATH)
    await network.run()
    const exit = network.hub('c').exits[0]!
    const isForward = PATH.indexOf(to) > PATH.indexOf(from)
    const sender = isForward ? client.circuit : exit.circuit()
    for (let i = 0; i < 300; i++) sender.write(new Uint8Array(16_000))
    await network.run()
    const [liar, honest] = [network.link(from, to), network.link(to, from)]
    const id = new DataView(tap.frames(wire, CELL_TYPES.cell)[0]!.buffer).getUint32(4)
    expect([liar.closed, honest.closed]).toEqual([false, false])
    liar.receive(encodeFrame(FRAME_TYPES.credit, id, new Uint8Array(0)), network.clock.now())
    await network.run()
    expect([liar.closed, honest.closed]).toEqual([false, true])
    liar.fail(new Fault('link-closed')) // what its socket tells it
    await network.run()
    await network.pass(PATH.length * (CLOSING_LIMIT_MS + 20_000), [client]) // the CLOSE waits behind cells that the stalled reader keeps
    expect([client.closed, network.remains]).toEqual([true, []])
    expect(concatAll(isForward ? exit.received : client.received).length).toBeLessThan(INITIAL_CREDIT_BYTES)
  })

  test.each(WIRES)('a reader on %s that grants what it never got is cut off by the one that sends', async (wire) => {
    const [from, to] = wire.split('>') as [string, string]
    const network = new MemoryNetwork(PATH)
    const tap = new FrameTap(network)
    const client = network.open('client', PATH)
    await network.run()
    const ids = tap.all(wire).map((frame) => new DataView(frame.buffer).getUint32(4))
    const credit = encodeFrame(FRAME_TYPES.credit, ids.find((id) => id !== 0)!, new Uint8Array(0))
    network.link(to, from).receive(credit, network.clock.now())
    expect(network.link(to, from).closed).toBe(true)
    network.link(from, to).fail(new Fault('link-closed'))
    await network.run()
    expect([client.closed, network.remains]).toEqual([true, []])
  })
})
