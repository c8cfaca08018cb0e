import type { Logger, MessageStreamDirection } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'

/** What the control stream needs of the link. */
export interface ControlLink {
  sendControl(bytes: Uint8Array): void
  readonly queuedControlBytes: number
}

/** Above this, libp2p's streams are told to wait. Well below what the link takes for a peer that does not read. */
const HIGH_WATER_BYTES = 256 * 1024

/** The message stream that libp2p's standard yamux sits on: its bytes travel in CONTROL frames (SPEC section 10.6). */
export class ControlStream extends AbstractMessageStream {
  readonly #link: ControlLink

  constructor(link: ControlLink, log: Logger, direction: MessageStreamDirection) {
    super({ log, direction, inactivityTimeout: Number.POSITIVE_INFINITY })
    this.#link = link
  }

  /** The link sent what was queued. */
  drained(): void {
    if (this.writableNeedsDrain && this.#link.queuedControlBytes < HIGH_WATER_BYTES) this.safeDispatchEvent('drain')
  }

  override sendData(data: Uint8ArrayList): SendResult {
    this.#link.sendControl(data.subarray())
    return { sentBytes: data.byteLength, canSendMore: this.#link.queuedControlBytes < HIGH_WATER_BYTES }
  }

  override sendReset(): void {}
  override sendPause(): void {}
  override sendResume(): void {}

  override close(): Promise<void> {
    this.onTransportClosed()
    return Promise.resolve()
  }
}
