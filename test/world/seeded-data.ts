import { createCipheriv, createHash } from 'node:crypto'

const CHUNK_BYTES = 64 << 10
const ZEROS = new Uint8Array(CHUNK_BYTES)

/** Bytes that look random and are the same for the same seed, in pieces of up to 64 KiB; over a GB/s. */
export function* seededChunks(seed: string, length: number): Generator<Uint8Array> {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  const cipher = createCipheriv('aes-128-ctr', key, new Uint8Array(16))
  for (let left = length; left > 0; left -= CHUNK_BYTES)
    yield cipher.update(ZEROS.subarray(0, Math.min(left, CHUNK_BYTES)))
}

export function seededData(seed: string, length: number): Uint8Array {
  return Buffer.concat([...seededChunks(seed, length)])
}

/** SHA-256 in hex of what `seededData` gives, without holding it all. */
export function seededDigest(seed: string, length: number): string {
  const hash = createHash('sha256')
  for (const chunk of seededChunks(seed, length)) hash.update(chunk)
  return hash.digest('hex')
}
