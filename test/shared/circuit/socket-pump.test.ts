import type { Socket } from 'node:net'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { concatBytes, utf8 } from '../../../shared/base/bytes.ts'
import { DirectReads } from '../../../shared/base/direct-reads.ts'
import { type ByteCircuit, SocketPump } from '../../../shared/circuit/socket-pump.ts'
import { INITIAL_CREDIT_BYTES } from '../../../shared/link/credit.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { SocketLog, SocketPairs } from '../../support/socket-pair.ts'
import { until } from '../../support/until.ts'

/** A circuit of which the test is the other end. */
class TestCircuit implements ByteCircuit {
  readonly written: Uint8Array[] = []
  readonly calls: string[] = []
  released = 0
  hasRoom = true

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes.slice())
    return this.hasRoom
  }

  finish(): void {
    this.calls.push('finish')
  }

  reset(): void {
    this.calls.push('reset')
  }

  release(cost: number): void {
    this.released += cost
  }

  get bytes(): Uint8Array {
    return concatBytes(...this.written)
  }
}

const pairs = new SocketPairs()

afterEach(() => pairs.close())

type Pumped = { pump: SocketPump; circuit: TestCircuit; near: Socket; far: Socket }

/** A socket that was accepted is read by its events, one that was dialled directly. */
const WAYS: readonly [string, () => DirectReads | undefined][] = [
  ['read by events', () => undefined],
  ['read directly', () => new DirectReads(new Uint8Array(4096))],
]

const turns = async (count = 20): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe.each(WAYS)('a socket pump, %s', (_, readsOf) => {
  async function pumped(): Promise<Pumped> {
    const reads = readsOf()
    const { near, far } = await pairs.make(reads)
    const circuit = new TestCircuit()
    return { pump: new SocketPump(near, circuit, reads), circuit, near, far }
  }

  test('carries bytes both ways, and gives back credit for what the socket took', async () => {
    const { pump, circuit, far } = await pumped()
    const log = new SocketLog(far)
    const bytes = seededRandom('pump').bytes(300_000)
    far.write(bytes)
    await until(() => circuit.bytes.length === bytes.length)
    expect(Buffer.compare(circuit.bytes, bytes)).toBe(0)
    for (let at = 0; at < bytes.length; at += 1000) pump.data(bytes.subarray(at, at + 1000), 1100)
    await until(() => log.bytes.length === bytes.length)
    expect(Buffer.compare(log.bytes, bytes)).toBe(0)
    await until(() => circuit.released === 300 * 1100)
  })

  test('does not read while the circuit has no room', async () => {
    const { pump, circuit, near, far } = await pumped()
    circuit.hasRoom = false
    far.write(new Uint8Array(100))
    await until(() => circuit.written.length === 1)
    for (let i = 0; i < 50; i++) far.write(new Uint8Array(100_000))
    await turns()
    expect(near.isPaused()).toBe(true)
    expect(circuit.written.length).toBe(1)
    circuit.hasRoom = true
    pump.writable()
    await until(() => circuit.bytes.length === 5_000_100)
  })

  test('holds at most the credit for a destination that does not read', async () => {
    const { pump, circuit, near, far } = await pumped()
    far.pause()
    let sent = 0
    for (let idle = 0; idle < 50 && sent < 64 * 1024 * 1024; ) {
      if (sent - circuit.released + 16_384 <= INITIAL_CREDIT_BYTES) {
        pump.data(new Uint8Array(16_312), 16_384)
        sent += 16_384
        idle = 0
      } else {
        idle++
        await turns(1)
      }
    }
    expect(near.writableLength).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES + near.writableHighWaterMark)
    expect(sent - circuit.released).toBeGreaterThan(INITIAL_CREDIT_BYTES - 2 * 16_384)
    const log = new SocketLog(far)
    await until(() => circuit.released === sent)
    await until(() => log.bytes.length === (sent / 16_384) * 16_312)
  })

  test('counts what waits for its destination by the cells that it came in, not by its bytes', async () => {
    const { pump, circuit, near, far } = await pumped()
    const log = new SocketLog(far)
    near.cork() // as when the system takes nothing more
    const cells = INITIAL_CREDIT_BYTES / 16_384
    for (let i = 0; i < cells; i++) pump.data(Uint8Array.of(i), 16_384)
    await turns()
    expect([near.writableLength, circuit.released]).toEqual([cells, 0])
    near.uncork()
    await until(() => circuit.released === INITIAL_CREDIT_BYTES)
    await until(() => log.bytes.length === cells)
  })

  test('writes what one turn brings at once, however small the pieces are', async () => {
    const { pump, near, far } = await pumped()
    const log = new SocketLog(far)
    const writes = [jest.spyOn(near, '_write'), jest.spyOn(near as Required<Socket>, '_writev')]
    for (let i = 0; i < 4000; i++) pump.data(Uint8Array.of(i & 0xff), i === 0 ? 16_384 : 0)
    await until(() => log.bytes.length === 4000)
    expect(writes.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThanOrEqual(2)
  })

  test('keeps half close: the far side ends first', async () => {
    const { pump, circuit, far } = await pumped()
    const log = new SocketLog(far)
    far.end(utf8('last words'))
    await until(() => circuit.calls.length === 1)
    expect([circuit.calls, Buffer.from(circuit.bytes).toString()]).toEqual([['finish'], 'last words'])
    pump.data(utf8('still here'), 10)
    await until(() => log.text === 'still here')
    pump.finished()
    pump.closed(true)
    await until(() => log.closed)
    expect([log.ended, log.error, circuit.calls]).toEqual([true, undefined, ['finish']])
  })

  test('keeps half close: the circuit ends first', async () => {
    const { pump, circuit, far } = await pumped()
    const log = new SocketLog(far)
    pump.data(utf8('last words'), 10)
    pump.finished()
    await until(() => log.ended)
    expect(log.text).toBe('last words')
    far.write(utf8('still here'))
    await until(() => circuit.bytes.length === 10)
    far.end()
    await until(() => circuit.calls.length === 1)
    pump.closed(true)
    await until(() => log.closed)
    expect([circuit.calls, log.error]).toEqual([['finish'], undefined])
  })

  test('makes a reset of the far side a reset of the circuit', async () => {
    const { circuit, far } = await pumped()
    far.resetAndDestroy()
    await until(() => circuit.calls.length === 1)
    expect(circuit.calls).toEqual(['reset'])
  })

  test('makes an unclean end of the circuit a reset of the socket', async () => {
    const { pump, circuit, far } = await pumped()
    const log = new SocketLog(far)
    pump.data(new Uint8Array(10), 10)
    await until(() => log.bytes.length === 10)
    pump.closed(false)
    await until(() => log.closed)
    expect([log.error, circuit.calls]).toEqual(['ECONNRESET', []])
  })

  test('lets go of a destination that never takes the rest after a clean end', async () => {
    const { pump, near, far } = await pumped()
    far.pause()
    for (let i = 0; i < 600; i++) pump.data(new Uint8Array(16_312), 16_384)
    far.end()
    await until(() => near.readableEnded || near.writableLength > 0)
    pump.finished()
    pump.closed(true)
    await turns()
    expect([near.destroyed, near.timeout]).toEqual([false, 60_000])
    near.emit('timeout') // as when nothing moved for so long
    expect(near.destroyed).toBe(true)
  })

  test.each<[string, (pump: SocketPump, near: Socket, far: Socket) => void]>([
    ['data', (pump) => pump.data(new Uint8Array(5), 5)],
    ['finished', (pump) => pump.finished()],
    ['writable', (pump) => pump.writable()],
    ['closed cleanly', (pump) => pump.closed(true)],
    ['closed by a fault', (pump) => pump.closed(false)],
    ['closed twice', (pump) => [true, false, true].forEach((clean) => void pump.closed(clean))],
  ])('survives %s after the socket is gone, and after the circuit is', async (_what, action) => {
    const gone = await pumped()
    gone.far.resetAndDestroy()
    await until(() => gone.circuit.calls.length === 1)
    action(gone.pump, gone.near, gone.far)
    const over = await pumped()
    over.pump.closed(false)
    action(over.pump, over.near, over.far)
    await turns()
    expect([gone.circuit.calls, over.circuit.calls]).toEqual([['reset'], []])
  })
})
