import { beforeEach, describe, expect, test } from '@jest/globals'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import { MessageStreamPipe } from '../../../shared/link/message-stream-pipe.ts'
import { silentLogger } from '../../../shared/link/silent-logger.ts'

const log = silentLogger.forComponent('test')

/** Takes so many bytes, as a socket does, until the test says that they are gone. */
class Below extends AbstractMessageStream {
  room: number
  taken = 0

  constructor(room: number) {
    super({ log })
    this.room = room
  }

  override sendData(data: Uint8ArrayList): SendResult {
    const sentBytes = Math.min(this.room, data.byteLength)
    this.room -= sentBytes
    this.taken += sentBytes
    return { sentBytes, canSendMore: this.room > 0 }
  }

  gone(bytes: number): void {
    this.room += bytes
    this.safeDispatchEvent('drain')
  }

  override close(): Promise<void> {
    this.onTransportClosed()
    return Promise.resolve()
  }
  override sendReset(): void {}
  override sendPause(): void {}
  override sendResume(): void {}
}

/** Hands on what it is given, as noise does: it counts that as sent, whatever the stream below makes of it. */
class Above extends AbstractMessageStream {
  readonly #below: Below

  constructor(below: Below) {
    super({ log })
    this.#below = below
    below.addEventListener('drain', () => this.safeDispatchEvent('drain'))
    below.addEventListener('close', () => this.onTransportClosed())
  }

  override sendData(data: Uint8ArrayList): SendResult {
    const sentBytes = data.byteLength
    return { sentBytes, canSendMore: this.#below.send(data) }
  }

  override close(): Promise<void> {
    return this.#below.close()
  }
  override sendReset(): void {}
  override sendPause(): void {}
  override sendResume(): void {}
}

const ROOM = 1_000
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

let below: Below
let above: Above
let pipe: MessageStreamPipe
let done: number[]

beforeEach(() => {
  below = new Below(ROOM)
  above = new Above(below)
  pipe = new MessageStreamPipe(above, below)
  done = []
})

const write = (id: number, bytes: number): void => pipe.write([new Uint8Array(bytes)], () => done.push(id))

describe('a pipe over streams of libp2p', () => {
  test('says that a write is done when nothing is queued at any level, not when the upper one took it', async () => {
    write(1, ROOM - 1)
    await turn()
    expect(done).toEqual([1])
    write(2, 500)
    write(3, 500)
    await turn()
    expect([done, below.taken]).toEqual([[1], ROOM])
    below.gone(700) // room for what waits below, while the rest waits above
    await turn()
    expect([done, below.taken]).toEqual([[1], ROOM + 700])
    below.gone(700)
    await turn()
    expect([done, below.taken, above.writeBufferLength + below.writeBufferLength]).toEqual([[1, 2, 3], 1_999, 0])
  })

  test('does not go on while the socket is full, however little it wrote', async () => {
    write(1, ROOM)
    await turn()
    expect(done).toEqual([])
    below.gone(1)
    await turn()
    expect(done).toEqual([1])
  })

  test('tells of its end, also of one that came before', async () => {
    let ends = 0
    pipe.onEnd(() => ends++)
    await below.close()
    expect(ends).toBe(1)
    new MessageStreamPipe(above, below).onEnd(() => ends++)
    await turn()
    expect(ends).toBe(2)
    write(1, 10)
    await turn()
    expect(done).toEqual([])
  })

  test('is closed once, and takes nothing from then on', async () => {
    pipe.destroy()
    pipe.destroy()
    await turn()
    write(1, 10)
    await turn()
    expect([done, below.taken, above.status]).toEqual([[], 0, 'closed'])
  })
})
