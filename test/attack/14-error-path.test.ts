import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../shared/base/bytes.ts'
import { CELL_TYPES, FRAME_HEADER_BYTES } from '../../shared/cell/cell.ts'
import { flipBit } from '../support/hex.ts'
import { type MemoryHub, MemoryNetwork } from '../support/memory-network.ts'
import { cellOf, RawClient, RawExit } from '../support/raw-circuit.ts'
import { FrameTap } from './support/frame-tap.ts'

/*
 * Whether the seal of a cell was wrong or what stood in it: nobody outside may be able to tell. So both end the circuit with the
 * same reason, in the same state, by the same one CLOSE at once, in front of all that is queued, and nothing else is said.
 * Time is not measured here.
 */

const PATH = ['a', 'b', 'c']
/** What stands in a cell that opens, and breaks the rules. */
const BAD_CONTENT: Readonly<Record<string, Uint8Array>> = {
  'a type that does not exist': Uint8Array.of(99, 0, 0),
  'a length beyond the cell': Uint8Array.of(4, 0xff, 0xff),
  'data of no length': Uint8Array.of(4, 0, 0),
  'a fin of the wrong size': Uint8Array.of(5, 0, 1, 0),
  'a fin with a wrong total': cellOf({ type: 'fin', total: 77n }),
  'a ping of no length': Uint8Array.of(7, 0, 0),
  'a target of no kind': Uint8Array.of(1, 0, 1, 9),
}
const GOOD_CONTENT = cellOf({ type: 'data', bytes: new Uint8Array(10) })

/** All that anybody but the one who found out could see of the end. */
interface Outcome {
  readonly wires: string[]
  readonly events: string[]
  readonly left: string[]
}

const visible = (frame: Uint8Array): string =>
  frame.length === FRAME_HEADER_BYTES
    ? `${toHex(frame.subarray(0, 4))}`
    : `${toHex(frame.subarray(0, 4))}+${frame.length}`

function outcomeOf(network: MemoryNetwork, tap: FrameTap, wires: readonly string[], events: string[]): Outcome {
  return {
    wires: wires.map((wire) => `${wire}: ${tap.all(wire).map(visible).join(' ')}`),
    events,
    left: network.remains,
  }
}

/** A cell of an evil client to the exit, which has much queued backward. */
async function atExit(content: Uint8Array, isFlipped: boolean): Promise<Outcome> {
  const network = new MemoryNetwork(PATH)
  const tap = new FrameTap(network)
  const client = new RawClient(network, PATH, { stalls: true })
  await network.run()
  client.switch()
  await network.run()
  const exit = network.hub('c').exits[0]!
  for (let i = 0; i < 200; i++) exit.circuit().write(new Uint8Array(16_000))
  await network.run()
  tap.forget()
  if (isFlipped) tap.change('b>c', CELL_TYPES.cell, (frame) => flipBit(frame, 800))
  client.send(content)
  await network.run()
  expect(tap.frames('b>c', CELL_TYPES.cell)).toHaveLength(1)
  return outcomeOf(network, tap, ['c>b', 'b>a', 'a>client'], [...exit.events, String(exit.received.length)])
}

/** A cell of an evil exit to the client, which has much queued forward. */
async function atClient(content: Uint8Array, isFlipped: boolean): Promise<Outcome> {
  const network = new MemoryNetwork(PATH)
  const tap = new FrameTap(network)
  const exit = new RawExit(network.hub('c'))
  const client = network.open('client', PATH)
  await network.run()
  exit.send(cellOf({ type: 'opened', family: 4 }))
  await network.run()
  for (let i = 0; i < 3; i++) client.circuit.write(new Uint8Array(10_000))
  await network.run()
  tap.forget()
  if (isFlipped) tap.change('c>b', CELL_TYPES.cell, (frame) => flipBit(frame, 800))
  exit.send(content)
  await network.run()
  expect(tap.frames('c>b', CELL_TYPES.cell)).toHaveLength(1)
  return outcomeOf(network, tap, ['client>a', 'a>b', 'b>c'], [...client.events, String(client.circuit.state.at)])
}

describe.each([
  ['exit', atExit, 'closed cell-rejected'],
  ['client', atClient, 'closed cell-rejected'],
] as const)('a cell that the %s does not take', (_who, attack, reason) => {
  test.each(Object.keys(BAD_CONTENT))('ends the circuit the same for a wrong seal and for %s', async (what) => {
    const [badTag, badContent] = [
      await attack(GOOD_CONTENT, true),
      await attack(BAD_CONTENT[what] as Uint8Array, false),
    ]
    expect(badContent).toEqual(badTag)
    expect(badTag.events).toContain(reason)
    expect(badTag.wires[0]?.replace(/^.*: /, '')).toBe('08000000')
  })

  test('is told from one that it takes: the attack reaches it', async () => {
    const good = await attack(GOOD_CONTENT, false)
    expect([good.events.includes(reason), good.left.length > 0]).toEqual([false, true])
  })
})

describe('a cell that a relay does not take', () => {
  const CAUSES: Readonly<Record<string, (frame: Uint8Array) => Uint8Array>> = {
    'its seal': (frame) => flipBit(frame, (frame.length - 20) * 8),
    'its first byte': (frame) => flipBit(frame, FRAME_HEADER_BYTES * 8),
    'its type, now a SWITCH': (frame) => withType(frame, CELL_TYPES.switch),
    'its type, now an ANSWER': (frame) => withType(frame, CELL_TYPES.answer),
  }
  test('ends the circuit the same, whatever is wrong with it', async () => {
    const outcomes = new Set<string>()
    for (const change of Object.values(CAUSES)) {
      const network = new MemoryNetwork(PATH, { autoRelease: false })
      const tap = new FrameTap(network)
      const client = await network.openSwitched('client', PATH)
      for (let i = 0; i < 200; i++) network.hub('c').exits[0]!.circuit().write(new Uint8Array(16_000))
      await network.run()
      tap.forget()
      tap.change('a>b', CELL_TYPES.cell, (frame) => change(frame))
      client.circuit.write(new Uint8Array(10))
      await network.run()
      // From b to a much is queued, which must not go out in front of the CLOSE.
      outcomes.add(JSON.stringify(outcomeOf(network, tap, ['b>c', 'c>b', 'b>a'], []).wires))
    }
    expect([...outcomes]).toEqual([JSON.stringify(['b>c: 08000000', 'c>b: 08000000', 'b>a: 08000000'])])
  })
})

describe('a CREATE that a hub does not take', () => {
  const refused = (hub: MemoryHub): string => JSON.stringify([...hub.metrics.createsRefused.entries])
  const CAUSES: Readonly<Record<string, (frame: Uint8Array) => Uint8Array>> = {
    'its seal': (frame) => flipBit(frame, (frame.length - 1) * 8),
    'what stands in it': (frame) => flipBit(frame, (FRAME_HEADER_BYTES + 1124 + 40) * 8),
    'its X': (frame) => flipBit(frame, (FRAME_HEADER_BYTES + 10) * 8),
    'its X, now of low order': (frame) => {
      frame.fill(0, FRAME_HEADER_BYTES + 4, FRAME_HEADER_BYTES + 36)
      return frame
    },
    'its ciphertext': (frame) => flipBit(frame, (FRAME_HEADER_BYTES + 500) * 8),
  }

  test('is closed the same, whatever is wrong with it, and has no answer', async () => {
    const outcomes = new Set<string>()
    for (const change of Object.values(CAUSES)) {
      const network = new MemoryNetwork(['a'])
      const tap = new FrameTap(network)
      tap.change('client>a', CELL_TYPES.create, (frame) => change(frame))
      const client = network.open('client', ['a'])
      await network.run()
      const outcome = outcomeOf(network, tap, ['a>client'], client.events)
      outcomes.add(JSON.stringify([outcome, refused(network.hub('a'))]))
    }
    const alike = { wires: ['a>client: 08000000'], events: ['closed circuit-closed'], left: [] }
    expect([...outcomes]).toEqual([JSON.stringify([alike, '[["create-unreadable",1]]'])])
  })
})

function withType(frame: Uint8Array, type: number): Uint8Array {
  frame[0] = type
  return frame
}
