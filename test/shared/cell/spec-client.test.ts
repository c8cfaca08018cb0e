import { describe, expect, test } from '@jest/globals'
import { FAULTS } from '../../../shared/base/fault-codes.ts'
import { bodyBytesOf, bodyOf, CELL_TYPES, type CellClass, type CellType, newFrame } from '../../../shared/cell/cell.ts'
import type { CircuitEnd } from '../../../shared/link/circuit-end.ts'
import { concatAll, MemoryNetwork, NETWORK_ID } from '../../support/memory-network.ts'
import { TYPE } from '../../support/noble-cells.ts'
import { NobleClient, nobleFin, nobleMessage, nobleOpenPayload } from '../../support/noble-client.ts'
import { noblePublicKey } from '../../support/noble-handshake.ts'
import { join, u16 } from '../../support/noble-primitives.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('client of the spec')
const TARGET = nobleOpenPayload(join([1], [93, 184, 216, 34], u16(443)))

interface ReceivedCell {
  readonly type: CellType
  readonly cellClass: CellClass
  readonly body: Uint8Array
}

/** A client made from the text of the SPEC, on a link to the real home hub of a network of real hubs. */
class Scene {
  readonly network: MemoryNetwork
  readonly client: NobleClient
  readonly cells: ReceivedCell[] = []
  closed = false
  readonly #end: CircuitEnd

  constructor(path: readonly string[], open: Uint8Array | undefined, network = new MemoryNetwork(path)) {
    this.network = network
    const { link, clientKey, linkBinding } = network.join('client', path[0] as string)
    this.client = new NobleClient({
      networkId: NETWORK_ID,
      clientKey,
      binding: linkBinding,
      path: path.map((name) => {
        const { hubId, key } = network.pathHop(name)
        return { hubId, key: noblePublicKey(key.bytes) }
      }),
      granule: network.time.granuleAt(network.clock.now()),
      open,
      random: (length) => random.bytes(length),
    })
    this.#end = link.openCircuit()
    this.#end.attach({
      onCell: (type, cellClass, body) => {
        this.cells.push({ type, cellClass, body: body.slice() })
        this.#end.release(body.length + 8)
      },
      onSent: () => {},
      onRoom: () => {},
      onClosed: () => {
        this.closed = true
      },
    })
    this.#send(CELL_TYPES.create, this.client.cellClass as CellClass, this.client.create)
  }

  send(application: Uint8Array, cellClass: CellClass, type: 'cell' | 'switch' = 'cell'): void {
    this.#send(CELL_TYPES[type], cellClass, this.client.seal(application, cellClass, TYPE[type]))
  }

  /** The application bytes of all cells that came since. */
  take(): (Uint8Array | undefined)[] {
    return this.cells
      .splice(0)
      .map(({ type, cellClass, body }) =>
        type === CELL_TYPES.cell ? this.client.open(body, cellClass, type) : undefined,
      )
  }

  #send(type: CellType, cellClass: CellClass, body: Uint8Array): void {
    const frame = newFrame(cellClass)
    bodyOf(frame).set(body)
    this.#end.send(type, frame)
  }
}

/** Messages of application bytes, as [type, payload]. */
function messagesOf(application: Uint8Array | undefined): [number, Uint8Array][] {
  const messages: [number, Uint8Array][] = []
  let at = 0
  while (application !== undefined && application[at] !== undefined && application[at] !== 0) {
    const length = ((application[at + 1] as number) << 8) | (application[at + 2] as number)
    messages.push([application[at] as number, application.slice(at + 3, at + 3 + length)])
    at += 3 + length
  }
  return messages
}

describe('a client made from the text of the SPEC', () => {
  test.each([1, 2, 3, 4])(
    'over %i hops of real hubs opens, sends early, switches, exchanges, and ends',
    async (hops) => {
      const path = ['a', 'b', 'c', 'd'].slice(0, hops)
      const scene = new Scene(path, TARGET)
      const exit = () => scene.network.hub(path.at(-1) as string).exits[0]!
      scene.send(nobleMessage(4, Uint8Array.of(1, 2, 3)), 1)
      scene.send(nobleMessage(4, random.bytes(1_000).fill(7)), 2)
      await scene.network.run()

      const [answer, ...rest] = scene.cells.splice(0)
      expect([answer!.type, answer!.cellClass]).toEqual([CELL_TYPES.answer, 1])
      expect(scene.client.answer(answer!.body)).toEqual({ ok: true })
      scene.cells.push(...rest)
      expect(scene.take().map((cell) => messagesOf(cell))).toEqual([[[2, Uint8Array.of(4)]]])
      expect(exit().target).toEqual([{ kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 }])
      expect(concatAll(exit().received)).toEqual(join([1, 2, 3], new Array(1_000).fill(7)))

      scene.send(new Uint8Array(0), 1, 'switch')
      for (const cellClass of [1, 2, 3, 4] as const) {
        scene.send(nobleMessage(4, new Uint8Array(bodyBytesOf(cellClass) - 64 - 3).fill(cellClass)), cellClass)
      }
      scene.send(join(nobleMessage(4, Uint8Array.of(5)), nobleMessage(7, new Uint8Array(8).fill(9))), 1)
      const sent = 1_003 + 437 + 1_973 + 4_021 + 16_309 + 1
      scene.send(nobleFin(sent), 1)
      await scene.network.run()
      expect(concatAll(exit().received)).toHaveLength(sent)
      expect(exit().events).toEqual(['finished'])
      expect(scene.take().map((cell) => messagesOf(cell))).toEqual([[[8, new Uint8Array(8).fill(9)]]])

      const bytes = random.bytes(40_000)
      exit().circuit().write(bytes)
      exit().circuit().finish()
      await scene.network.run()
      const messages = scene.take().flatMap((cell) => messagesOf(cell))
      expect(concatAll(messages.filter(([type]) => type === 4).map(([, payload]) => payload))).toEqual(bytes)
      expect(messages.at(-1)).toEqual([5, join(new Uint8Array(4), [0, 0, 0x9c, 0x40])])
      expect([scene.closed, exit().events]).toEqual([true, ['finished', 'closed cleanly']])
    },
  )

  test('says its target only after the answer, if it wants to', async () => {
    const scene = new Scene(['a', 'b', 'c'], undefined)
    await scene.network.run()
    const exit = scene.network.hub('c').exits[0]!
    expect(exit.target).toEqual([])
    expect(scene.client.answer(scene.cells.splice(0)[0]!.body)).toEqual({ ok: true })
    scene.send(new Uint8Array(0), 1, 'switch')
    scene.send(nobleMessage(1, nobleOpenPayload(join([3, 1], [0x61], u16(80)))), 1)
    await scene.network.run()
    expect(exit.target).toEqual([{ kind: 'name', name: 'a', port: 80 }])
    expect(scene.take().map((cell) => messagesOf(cell))).toEqual([[[2, Uint8Array.of(4)]]])
  })

  test('learns which hop failed and why', async () => {
    const network = new MemoryNetwork(['a', 'b', 'c'])
    network.hub('b').service.drain()
    const scene = new Scene(['a', 'b', 'c'], TARGET, network)
    await network.run()
    expect(scene.client.answer(scene.cells.splice(0)[0]!.body)).toEqual({
      ok: false,
      place: 2,
      status: FAULTS['hub-draining'].wire,
    })
  })

  test('is cut off for one cell that was changed', async () => {
    const scene = new Scene(['a', 'b', 'c'], TARGET)
    await scene.network.run()
    scene.client.answer(scene.cells.splice(0)[0]!.body)
    scene.take()
    scene.send(new Uint8Array(0), 1, 'switch')
    scene.network.tamper = (header, frame, from) => {
      if (from === 'client' && header.type === CELL_TYPES.cell) frame[100] = (frame[100] as number) ^ 1
      return [frame]
    }
    scene.send(nobleMessage(4, Uint8Array.of(1)), 1)
    await scene.network.run()
    expect(scene.closed).toBe(true)
    expect(scene.network.hub('c').exits[0]!.received).toEqual([])
    expect(scene.network.hub('c').exits[0]!.events).toEqual(['closed circuit-closed'])
  })
})
