import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import fc from 'fast-check'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { CELL_TYPES, newFrame } from '../../../shared/cell/cell.ts'
import type { BytePipe } from '../../../shared/link/byte-pipe.ts'
import { encodeFrame, FRAME_TYPES } from '../../../shared/link/frame.ts'
import type { Link } from '../../../shared/link/link.ts'
import { LINK_PROTOCOL, LinkMuxerFactory } from '../../../shared/link/link-muxer.ts'
import { MemoryLedger } from '../../../shared/link/memory-ledger.ts'
import { MessageStreamPipe } from '../../../shared/link/message-stream-pipe.ts'
import { LINK_NETWORK_ID } from '../../support/link-pair.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { until } from '../../support/until.ts'

interface Side {
  readonly muxer: StreamMuxer
  link: Link | undefined
  ready: boolean
  fault: Fault | undefined
  circuits: number
}

function makeSide(
  stream: Parameters<LinkMuxerFactory['createStreamMuxer']>[0],
  initiator: boolean,
  pipe: BytePipe,
): Side {
  const side: Omit<Side, 'muxer'> = { link: undefined, ready: false, fault: undefined, circuits: 0 }
  const factory = new LinkMuxerFactory({
    options: {
      networkId: LINK_NETWORK_ID,
      initiator,
      maxCircuits: 10,
      ledger: new MemoryLedger(Number.POSITIVE_INFINITY),
    },
    pipe: () => pipe,
    clock: new ManualClock(),
    onStart: (link) => {
      side.link = link
    },
    onReady: () => {
      side.ready = true
    },
    onCircuit: (_link, end) => {
      side.circuits++
      end.close()
    },
    onClosed: (_link, fault) => {
      side.fault = fault
    },
  })
  return Object.assign(side, { muxer: factory.createStreamMuxer(stream) })
}

function pairOfSides(): [Side, Side] {
  const [outbound, inbound] = multiaddrConnectionPair({ delay: 0 })
  return [
    makeSide(outbound, true, new MessageStreamPipe(outbound)),
    makeSide(inbound, false, new MessageStreamPipe(inbound)),
  ]
}

describe('a link over any message stream of libp2p', () => {
  let a: Side
  let b: Side

  beforeEach(async () => {
    ;[a, b] = pairOfSides()
    await until(() => a.ready && b.ready)
  })

  afterEach(() => a.muxer.abort(new Error('over')))

  test('says what it is', () => {
    expect(a.muxer.protocol).toBe(LINK_PROTOCOL)
  })

  test('carries circuits', async () => {
    const end = (a.link as Link).openCircuit()
    end.send(CELL_TYPES.create, newFrame(3))
    await until(() => b.circuits === 1 && a.link?.circuitCount === 0 && b.link?.circuitCount === 0)
  })

  test("carries libp2p's own streams, more than the windows of all their buffers, both ways", async () => {
    const bytes = seededRandom('muxer').bytes(3_000_000)
    const incoming = new Promise<Stream>((resolve) =>
      b.muxer.addEventListener('stream', ({ detail }) => resolve(detail), { once: true }),
    )
    const outgoing = await a.muxer.createStream()
    const received: Uint8Array[] = []
    const echo = await incoming
    echo.addEventListener('message', ({ data }) => {
      if (!echo.send(data)) {
        echo.pause()
        void echo.onDrain().then(() => echo.resume())
      }
    })
    outgoing.addEventListener('message', ({ data }) => void received.push(data.subarray()))
    for (let at = 0; at < bytes.length; at += 60_000) {
      if (!outgoing.send(bytes.subarray(at, at + 60_000))) await outgoing.onDrain()
    }
    await until(() => received.reduce((sum, chunk) => sum + chunk.length, 0) >= bytes.length)
    expect(Buffer.compare(concatBytes(...received), bytes)).toBe(0)
  })

  test('ends as one: the link with the stream below it', async () => {
    b.muxer.abort(new Error('gone'))
    b.link?.fail(new Fault('link-closed'))
    await until(() => a.fault !== undefined)
    expect([a.fault?.code, a.link?.closed, a.muxer.status]).toEqual(['link-closed', true, 'closed'])
  })

  test('can not be written to when it is over', async () => {
    a.link?.fail(new Fault('link-closed'))
    await expect(a.muxer.createStream()).rejects.toThrow()
  })
})

describe('evil bytes in control frames', () => {
  /** A peer that speaks frames but whose yamux is anything. */
  class EvilPipe implements BytePipe {
    receive: (chunk: Uint8Array) => void = () => {}
    destroyed = false
    onData(receive: (chunk: Uint8Array) => void): void {
      this.receive = receive
    }
    onEnd(): void {}
    write(_chunks: readonly Uint8Array[], done: () => void): void {
      setImmediate(done)
    }
    destroy(): void {
      this.destroyed = true
    }
  }

  const yamuxHeader = fc
    .tuple(
      fc.constantFrom(0, 0, 0, 1),
      fc.constantFrom(0, 1, 2, 3, 4),
      fc.constantFrom(0, 1, 2, 4, 8, 3, 0xffff),
      fc.constantFrom(0, 1, 2, 3, 4, 0xffff_ffff),
      fc.constantFrom(0, 1, 5, 262_144, 262_145, 0xffff_ffff),
    )
    .map(([version, type, flags, id, length]) => {
      const bytes = new Uint8Array(12)
      const view = new DataView(bytes.buffer)
      view.setUint8(0, version)
      view.setUint8(1, type)
      view.setUint16(2, flags)
      view.setUint32(4, id)
      view.setUint32(8, length)
      return bytes
    })
  const control = fc.oneof(yamuxHeader, yamuxHeader, fc.uint8Array({ minLength: 1, maxLength: 80 }))

  /** What is thrown where nobody catches it fails a test of jest by itself. */
  test('throw nothing that would end the process', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(control, { maxLength: 30 }), fc.boolean(), async (pieces, initiator) => {
        const [stream] = multiaddrConnectionPair({ delay: 0 })
        const pipe = new EvilPipe()
        const side = makeSide(stream, initiator, pipe)
        side.muxer.addEventListener('stream', ({ detail }) => {
          detail.addEventListener('message', ({ data }) => void detail.send(data))
        })
        pipe.receive(encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(1), LINK_NETWORK_ID)))
        for (const piece of pieces) pipe.receive(encodeFrame(FRAME_TYPES.control, 0, piece))
        await new Promise((resolve) => setImmediate(resolve))
        expect(side.link?.closed).toBe(false) // the control stream may be broken, the circuits are not
        side.muxer.abort(new Error('over'))
        side.link?.fail(new Fault('link-closed'))
      }),
      { numRuns: 300 },
    )
    await new Promise((resolve) => setImmediate(resolve))
  })
})
