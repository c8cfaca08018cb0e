/** A socket takes no new circuits after so many bytes (both directions), or so long: its TLS keys can not be changed. */
export const WORN_AFTER_BYTES = 128 * 1024 ** 3
export const WORN_AFTER_MS = 12 * 3600_000
/** Or after half of the records that it may send. */
export const WORN_AFTER_RECORDS = 2 ** 23
/** Records that one key of AES-GCM may seal (RFC 8446, section 5.5, with a margin): the link ends before. */
export const MAX_RECORDS = 2 ** 24

/** Most bytes in one record of TLS. */
const RECORD_BYTES = 16 * 1024

/** How much the keys of one socket were used (SPEC section 10.14). */
export class Wear {
  readonly #since: number
  #bytes = 0
  #records = 0

  constructor(now: number) {
    this.#since = now
  }

  /** So many bytes came in. */
  received(bytes: number): void {
    this.#bytes += bytes
  }

  /** A chunk of so many bytes goes out, which is as many records as it fills. */
  sent(bytes: number): void {
    this.#bytes += bytes
    this.#records += Math.ceil(bytes / RECORD_BYTES)
  }

  /** Bytes in both directions. */
  get bytes(): number {
    return this.#bytes
  }

  /** A successor should take the new circuits. */
  isWorn(now: number): boolean {
    return this.#bytes >= WORN_AFTER_BYTES || this.#records >= WORN_AFTER_RECORDS || now - this.#since >= WORN_AFTER_MS
  }

  /** Not one write more: the next one may go beyond what a key may seal. */
  get isSpent(): boolean {
    return this.#records >= MAX_RECORDS - RECORDS_PER_WRITE
  }
}

/** More than any single write has: 64 KiB in frames of 8 bytes. */
const RECORDS_PER_WRITE = 8192
