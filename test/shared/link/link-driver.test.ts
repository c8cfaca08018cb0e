import { beforeEach, describe, expect, test } from '@jest/globals'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { CELL_TYPES, FRAME_HEADER_BYTES } from '../../../shared/cell/cell.ts'
import { takeFrame } from '../../../shared/cell/frame-pool.ts'
import type { BytePipe } from '../../../shared/link/byte-pipe.ts'
import type { CircuitEnd } from '../../../shared/link/circuit-end.ts'
import { FRAME_TYPES, WRITE_UNIT_BYTES } from '../../../shared/link/frame.ts'
import { LinkDriver } from '../../../shared/link/link-driver.ts'
import { MemoryLedger } from '../../../shared/link/memory-ledger.ts'
import { framesOf, LINK_NETWORK_ID, linkSide } from '../../support/link-pair.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { until } from '../../support/until.ts'

/** A pipe of which the test is the other end. */
class TestPipe implements BytePipe {
  readonly writes: { chunks: readonly Uint8Array[]; done: () => void }[] = []
  receive: (chunk: Uint8Array) => void = () => {}
  ended: () => void = () => {}
  destroyed = 0

  onData(receive: (chunk: Uint8Array) => void): void {
    this.receive = receive
  }

  onEnd(ended: () => void): void {
    this.ended = ended
  }

  write(chunks: readonly Uint8Array[], done: () => void): void {
    this.writes.push({ chunks, done })
  }

  destroy(): void {
    this.destroyed++
  }

  get outstanding(): number {
    return this.writes.reduce((sum, { chunks }) => sum + concatBytes(...chunks).length, 0)
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Circuits that have sent so much that nobody waits behind them: and on a line that was measured. */
async function downloads(count: number): Promise<CircuitEnd[]> {
  const peer = linkSide({ initiator: false })
  for (const chunk of greeting) peer.link.receive(chunk, 0)
  peer.onCircuit = (end) =>
    end.attach({
      ...{ onSent() {}, onRoom() {}, onClosed() {} },
      onCell: (_type, _class, body) => end.release(body.length + FRAME_HEADER_BYTES),
    })
  const circuits = Array.from({ length: count }, () => driver.link.openCircuit())
  for (const end of circuits) {
    end.send(CELL_TYPES.create, takeFrame(4))
    for (let i = 0; i < 4; i++) end.send(CELL_TYPES.cell, takeFrame(4))
  }
  for (await turn(); pipe.writes.length > 0; await turn()) {
    clock.advance(2)
    for (const { chunks, done } of pipe.writes.splice(0)) {
      for (const chunk of chunks) peer.link.receive(chunk, 0)
      done()
    }
    for (const chunk of peer.link.pull(1 << 20, 0)) pipe.receive(chunk)
  }
  expect(circuits.every((end) => end.heldBytes === 0)).toBe(true)
  return circuits
}

let pipe: TestPipe
let driver: LinkDriver
let clock: ManualClock
let told: string[]
let drained: number
/** What was written at the start. */
let greeting: readonly Uint8Array[]

beforeEach(() => {
  pipe = new TestPipe()
  clock = new ManualClock()
  const mine: string[] = []
  told = mine
  drained = 0
  driver = new LinkDriver(
    pipe,
    {
      networkId: LINK_NETWORK_ID,
      initiator: true,
      maxCircuits: 10,
      ledger: new MemoryLedger(Number.POSITIVE_INFINITY),
    },
    {
      ready: () => void mine.push('ready'),
      circuit: () => void mine.push('circuit'),
      control: () => void mine.push('control'),
      closed: (fault) => void mine.push(`closed ${fault.code}`),
      drained: () => {
        drained++
      },
    },
    clock,
  )
  driver.start()
  const [first] = pipe.writes.splice(0)
  greeting = first?.chunks ?? []
  first?.done()
})

describe('a link driver', () => {
  test('answers a CLOSE soon, also without company', async () => {
    await turn() // the greeting was taken, so that there is no company
    const peer = linkSide({ initiator: false })
    for (const chunk of greeting) peer.link.receive(chunk, 0)
    const end = peer.link.openCircuit()
    end.send(CELL_TYPES.create, takeFrame(3))
    end.close()
    for (const chunk of peer.link.pull(1 << 20, 0)) pipe.receive(chunk)
    await turn()
    expect([told, pipe.writes]).toEqual([['ready', 'circuit'], []])
    await until(() => pipe.writes.length > 0)
    const types = framesOf(pipe.writes[0]?.chunks ?? []).map(({ header }) => header.type)
    expect(types).toContain(FRAME_TYPES.close)
  })

  test('greets at once, so that a peer of another kind learns why the link ends', () => {
    expect(framesOf(greeting).map(({ header }) => header.type)).toEqual([1])
  })

  test('writes what one turn produced together, in whole units', async () => {
    for (let i = 0; i < 3; i++) driver.link.openCircuit().send(CELL_TYPES.create, takeFrame(3))
    driver.link.sendControl(new Uint8Array(10))
    expect(pipe.writes).toHaveLength(0)
    await turn()
    expect(pipe.writes).toHaveLength(1)
    const chunks = pipe.writes[0]?.chunks ?? []
    expect(framesOf(chunks).map(({ header }) => header.type)).toEqual([2, 3, 3, 3])
    expect(concatBytes(...chunks).length % WRITE_UNIT_BYTES).toBe(0)
  })

  test('holds no more than 320 KiB that the system has not taken, and goes on when it has', async () => {
    const circuits = await downloads(40)
    for (const end of circuits) for (let i = 0; i < 8; i++) end.send(CELL_TYPES.cell, takeFrame(4))
    await turn()
    const before = pipe.outstanding
    expect(before).toBeGreaterThanOrEqual(256 * 1024)
    expect(before).toBeLessThanOrEqual(320 * 1024)
    await turn()
    expect(pipe.outstanding).toBe(before)
    for (const { done } of pipe.writes.splice(0)) done()
    await turn()
    expect(pipe.outstanding).toBeGreaterThanOrEqual(256 * 1024)
    expect(drained).toBeGreaterThan(0)
  })

  test('uses a frame again only when its bytes have left', async () => {
    const frame = takeFrame(4)
    driver.link.openCircuit().send(CELL_TYPES.create, frame)
    await turn()
    const others = Array.from({ length: 300 }, () => takeFrame(4))
    expect(others).not.toContain(frame)
    pipe.writes[0]?.done()
    expect(takeFrame(4)).toBe(frame)
  })

  test('ends the link with the pipe, and the pipe with the link, once', async () => {
    pipe.ended()
    pipe.ended()
    expect(told).toEqual(['closed link-closed'])
    expect(pipe.destroyed).toBe(1)
    await turn()
    expect(pipe.writes).toHaveLength(0)
    pipe.receive(Uint8Array.of(1, 2, 3))
    expect(told).toEqual(['closed link-closed'])
  })

  test('destroys the pipe of a peer that breaks the rules', () => {
    pipe.receive(new Uint8Array(8).fill(255))
    expect([told, pipe.destroyed]).toEqual([['closed link-protocol'], 1])
  })

  test('speaks with any other link', () => {
    const other = linkSide({ initiator: false })
    for (const chunk of greeting) other.link.receive(chunk, 0)
    for (const chunk of other.link.pull(4096, 0)) pipe.receive(chunk)
    expect([other.ready, told]).toEqual([1, ['ready']])
  })
})
