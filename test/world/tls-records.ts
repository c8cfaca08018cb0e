/*
 * The outside of TLS, as anybody on the wire sees it (RFC 8446 section 5.1):
 *
 *     record  type (1) ‖ version (2) ‖ length (2) ‖ fragment
 */

export interface TlsRecord {
  readonly type: number
  /** As on the wire; 0x0303 for all records of TLS 1.3, but for the first one, which may say 0x0301. */
  readonly version: number
  readonly fragment: Uint8Array
}

export const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const

const HEADER = 5
/** The largest that TLS 1.3 allows; TLS 1.2 allows 2^14 + 2048. */
const MAX_FRAGMENT = 2 ** 14 + 256

/**
 * The records of one direction of a connection. `rest` is what comes behind the last whole one: the beginning of another,
 * or, if `broken`, bytes that are no TLS record. All views into `bytes`.
 */
export function parseTlsRecords(bytes: Uint8Array): {
  readonly records: readonly TlsRecord[]
  readonly rest: Uint8Array
  readonly broken: boolean
} {
  const records: TlsRecord[] = []
  let at = 0
  while (at + HEADER <= bytes.length) {
    const type = bytes[at] ?? 0
    const version = word(bytes, at + 1)
    const length = word(bytes, at + 3)
    if (
      type < RECORD.changeCipherSpec ||
      type > RECORD.applicationData ||
      version >> 8 !== 3 ||
      length > MAX_FRAGMENT
    ) {
      return { records, rest: bytes.subarray(at), broken: true }
    }
    const end = at + HEADER + length
    if (end > bytes.length) break
    records.push({ type, version, fragment: bytes.subarray(at + HEADER, end) })
    at = end
  }
  return { records, rest: bytes.subarray(at), broken: false }
}

/** The handshake messages that cross the wire in the clear: type (1) ‖ length (3) ‖ body, over any number of records. */
export function clearHandshakeMessages(records: readonly TlsRecord[]): { type: number; body: Uint8Array }[] {
  const bytes = Buffer.concat(records.filter(({ type }) => type === RECORD.handshake).map(({ fragment }) => fragment))
  const messages: { type: number; body: Uint8Array }[] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readUIntBE(at + 1, 3)
    if (end > bytes.length) break
    messages.push({ type: bytes[at] ?? 0, body: bytes.subarray(at + 4, end) })
    at = end
  }
  return messages
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
