import { Duplex } from 'node:stream'
import { capacityOf } from '../shared/cell/cell.ts'
import type { StreamPurpose } from '../shared/cell/purpose.ts'
import type { AppSite, Connector, Tunnel, TunnelSink } from './connector.ts'
import type { RuleWish } from './navigator/wish.ts'

/**
 * So many cells' bytes wait for a reader before no credit is given back. Counted in cells, which is what they cost, and by
 * hand: TLS takes no stream that counts in anything but bytes.
 */
const MAX_UNREAD_CELLS = 4

/** A connection through the network as a stream of Node, for the client's own requests. */
export class CircuitStream extends Duplex {
  readonly #tunnel: Tunnel
  #opened = false
  #held: (() => void)[] = []
  #owed = 0
  /** Cells whose bytes came since the reader had all. */
  #unread = 0

  /** @param wish what a rule asks of the path @param site whose exit it takes and keeps, if not that of the target */
  constructor(connector: Connector, target: StreamPurpose, wish: RuleWish = {}, site?: AppSite) {
    super({ allowHalfOpen: true, readableHighWaterMark: MAX_UNREAD_CELLS * capacityOf(4) })
    const sink: TunnelSink = {
      opened: () => {
        this.#opened = true
        this.emit('connect')
        this.#resumeWrites()
      },
      data: (bytes, cost) => {
        this.#owed += cost
        this.#unread++
        this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
        this.#giveBack()
      },
      finished: () => void this.push(null),
      writable: () => this.#resumeWrites(),
      closed: (fault) => {
        if (fault !== undefined) this.destroy(fault)
      },
    }
    this.#tunnel = connector.open(target, 'client', sink, undefined, wish, site)
  }

  /** Everybody who reads comes by here, unless there was nothing to wait for. */
  override read(size?: number): unknown {
    const chunk: unknown = super.read(size)
    this.#giveBack()
    return chunk
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (!this.#opened) this.#held.push(() => this._write(chunk, _encoding, done))
    else if (this.#tunnel.write(chunk)) done()
    else this.#held.push(done)
  }

  override _final(done: () => void): void {
    if (!this.#opened) {
      this.#held.push(() => this._final(done))
      return
    }
    this.#tunnel.finish()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#tunnel.reset()
    done(error)
  }

  #resumeWrites(): void {
    const held = this.#held
    this.#held = []
    for (const resume of held) resume()
  }

  #giveBack(): void {
    if (this.readableLength === 0) this.#unread = 0
    if (this.#unread >= MAX_UNREAD_CELLS) return
    if (this.#owed > 0) this.#tunnel.release(this.#owed)
    this.#owed = 0
  }
}
