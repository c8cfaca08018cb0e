import { ByteWriter } from '../base/byte-writer.ts'
import { bodyOf, type CellClass, capacityOf, classFor, FRAME_HEADER_BYTES } from '../cell/cell.ts'
import { takeFrame } from '../cell/frame-pool.ts'
import { encodeMessage, MESSAGE_HEADER_BYTES, type Message, messageBytes } from '../cell/message.ts'

/** Seals a frame whose body starts with the plaintext, and queues it. True while there is room for more. */
export type SealAndSend = (frame: Uint8Array, cellClass: CellClass) => boolean

/** Packs messages into cells, for either end of a circuit. Counts the bytes of the application. */
export class CircuitSender {
  readonly #seal: SealAndSend
  #total = 0n

  constructor(seal: SealAndSend) {
    this.#seal = seal
  }

  /** Application bytes sent so far, which the FIN tells. */
  get total(): bigint {
    return this.#total
  }

  /** One cell, of the smallest class that holds them. They fit the largest, and are no more than a cell may have. */
  send(...messages: readonly Message[]): boolean {
    const cellClass = classFor(messages.reduce((sum, message) => sum + messageBytes(message), 0))
    const frame = takeFrame(cellClass)
    const writer = new ByteWriter(bodyOf(frame))
    for (const message of messages) encodeMessage(message, writer)
    frame.fill(0, FRAME_HEADER_BYTES + writer.offset)
    return this.#seal(frame, cellClass)
  }

  /** Cuts into cells: full ones of the largest class, then the smallest that holds the rest. Copied. */
  sendData(bytes: Uint8Array): boolean {
    let room = true
    for (let at = 0; at < bytes.length; ) {
      const cellClass = classFor(bytes.length - at + MESSAGE_HEADER_BYTES)
      const take = Math.min(bytes.length - at, capacityOf(cellClass) - MESSAGE_HEADER_BYTES)
      room = this.send({ type: 'data', bytes: bytes.subarray(at, at + take) })
      at += take
    }
    this.#total += BigInt(bytes.length)
    return room
  }
}
