/** Most bytes that are kept to be sent once more: a request, or the beginning of TLS. */
export const MAX_EARLY_BYTES = 16 * 1024

const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1
const RECORD_HEADER_BYTES = 5
/** Of HTTP/1 as far as the line goes: other protocols have commands of these names, and more behind them. */
const SAFE_REQUEST = /^(?:GET|HEAD|OPTIONS) [^\r\n]*(?: HTTP\/1\.\d\r?\n|\r?$)/
/** Also the short one, which servers take too (RFC 9112, 2.2): behind either stands a body or another request. */
const END_OF_HEAD = /\n\r?\n/

/** What an app sent before anything came back. */
export class EarlyBytes {
  readonly chunks: Uint8Array[] = []
  #length = 0
  #isComplete = true

  add(bytes: Uint8Array): void {
    if (!this.#isComplete) return
    this.#length += bytes.length
    this.#isComplete = this.#length <= MAX_EARLY_BYTES
    if (this.#isComplete) this.chunks.push(bytes.slice())
    else this.chunks.length = 0
  }

  /** Does it change nothing if the destination gets this twice, the first time from somebody who then went? */
  get isHarmless(): boolean {
    if (!this.#isComplete) return false
    const all = Buffer.concat(this.chunks)
    return all.length === 0 || isClientHello(all) || isSafeRequest(all.toString('latin1'))
  }
}

/** Nothing but the first flight of TLS, and no early data. It may be cut off. */
function isClientHello(bytes: Buffer): boolean {
  if (bytes[0] !== HANDSHAKE_RECORD || (bytes[RECORD_HEADER_BYTES] ?? CLIENT_HELLO) !== CLIENT_HELLO) return false
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== HANDSHAKE_RECORD) return false
    if (at + RECORD_HEADER_BYTES > bytes.length) return true
    at += RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3)
  }
  return true
}

/** One request of HTTP/1 by a method that changes nothing (RFC 9110, 9.2.1), without a body. It may be cut off. */
function isSafeRequest(text: string): boolean {
  if (!SAFE_REQUEST.test(text)) return false
  const end = END_OF_HEAD.exec(text)
  return end === null || end.index + end[0].length === text.length
}
