import { concatBytes, EMPTY } from '../base/bytes.ts'
import { u16 } from './dns-query.ts'

/** A message with its length in front, as it goes over streams (RFC 1035, section 4.2.2). */
export function frameMessage(message: Uint8Array): Uint8Array {
  return concatBytes(u16(message.length), message)
}

/** Cuts a stream into messages. Holds less than one message. */
export class DnsStreamReader {
  #held: Uint8Array = EMPTY

  /** Bytes wait for the rest of their message. */
  get isInside(): boolean {
    return this.#held.length > 0
  }

  /** The messages that these bytes complete, as copies. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.#held.length === 0 ? chunk : concatBytes(this.#held, chunk)
    const messages: Uint8Array[] = []
    let at = 0
    while (at + 2 <= bytes.length) {
      const end = at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number))
      if (end > bytes.length) break
      messages.push(concatBytes(bytes.subarray(at + 2, end)))
      at = end
    }
    this.#held = concatBytes(bytes.subarray(at))
    return messages
  }
}
