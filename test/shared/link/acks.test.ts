import { describe, expect, test } from '@jest/globals'
import { CELL_TYPES, FRAME_HEADER_BYTES, newFrame } from '../../../shared/cell/cell.ts'
import {
  ACK_EVERY_BYTES,
  AskedPace,
  OwedAcks,
  RARE_ACK_EVERY_BYTES,
  RARE_ACK_WINDOW_BYTES,
  readAck,
} from '../../../shared/link/acks.ts'
import { FRAME_TYPES, readFrameHeader } from '../../../shared/link/frame.ts'
import { SlowLink } from '../../support/slow-link.ts'

const body = (frame: Uint8Array): Uint8Array => frame.subarray(8)

describe('acknowledgements that are owed', () => {
  test('are due when enough is new, and tell all that has come', () => {
    const acks = new OwedAcks()
    acks.received(ACK_EVERY_BYTES - 1)
    expect(acks.isDue).toBe(false)
    acks.received(2)
    expect(acks.isDue).toBe(true)
    const frame = acks.takeFrame()
    expect(readFrameHeader(frame, 0)?.type).toBe(FRAME_TYPES.ack)
    expect([readAck(body(frame)), acks.isDue]).toEqual([ACK_EVERY_BYTES + 1, false])
  })

  test('are due at the pace that the peer asked for last, also for what has come already', () => {
    const acks = new OwedAcks()
    expect(acks.receivePace(Uint8Array.of(1))).toBe(true)
    acks.received(RARE_ACK_EVERY_BYTES - 1)
    expect(acks.isDue).toBe(false)
    expect(acks.receivePace(Uint8Array.of(0))).toBe(true)
    expect(acks.isDue).toBe(true)
  })

  test.each([[[]], [[2]], [[255]], [[0, 0]]])('have no pace %j', (payload) => {
    expect(new OwedAcks().receivePace(Uint8Array.from(payload))).toBe(false)
  })

  test.each([0, 7, 9])('are not read from %d bytes', (length) => {
    expect(readAck(new Uint8Array(length))).toBeUndefined()
  })
})

describe('the pace that is asked for', () => {
  test('changes with the window, and is told once', () => {
    const pace = new AskedPace()
    expect([pace.frameFor(RARE_ACK_WINDOW_BYTES - 1), pace.everyBytes]).toEqual([undefined, ACK_EVERY_BYTES])
    expect([...body(pace.frameFor(RARE_ACK_WINDOW_BYTES) as Uint8Array)]).toEqual([1])
    expect([pace.frameFor(RARE_ACK_WINDOW_BYTES + 1), pace.everyBytes]).toEqual([undefined, RARE_ACK_EVERY_BYTES])
    expect([...body(pace.frameFor(RARE_ACK_WINDOW_BYTES - 1) as Uint8Array)]).toEqual([0])
  })
})

describe('a fast link on which somebody begins to send little', () => {
  test('asks for acknowledgements at once, and waits for none that does not come', () => {
    const link = new SlowLink({ bytesPerMs: 100_000, delayMs: 1 })
    let received = 0
    link.b.onCircuit = (end) => {
      end.attach({
        ...{ onSent() {}, onRoom() {}, onClosed() {} },
        onCell: (_type, _class, body) => {
          end.release(body.length + FRAME_HEADER_BYTES)
          received += body.length
        },
      })
    }
    const paces: number[] = []
    link.onWrite = (chunks) => {
      for (const chunk of chunks) if (chunk[0] === FRAME_TYPES.pace) paces.push(chunk[8] as number)
    }
    const download = link.a.link.openCircuit()
    download.send(CELL_TYPES.create, newFrame(3))
    const fill = (): void => {
      while (download.room > 0 && download.send(CELL_TYPES.cell, newFrame(4)));
    }
    download.attach({ onCell() {}, onClosed() {}, onRoom: fill, onSent: fill })
    fill()
    link.pass(4_000)
    expect(paces).toEqual([1])
    for (let i = 0; i < 20; i++) {
      const small = link.a.link.openCircuit()
      small.send(CELL_TYPES.create, newFrame(3))
      const before = received
      link.pass(100)
      expect(received - before).toBeGreaterThan(1_000_000)
    }
    expect(paces).toEqual([1, 0])
    expect([link.a.fault, link.b.fault]).toEqual([undefined, undefined])
  })
})
