import { createHash } from 'node:crypto'
import type { Random } from '../../shared/base/random.ts'

/** Chance that is the same for the same seed: SHA-256 of seed and counter. */
export function seededRandom(seed: string): Random {
  let counter = 0
  const block = (): Uint8Array => createHash('sha256').update(`${seed}:${counter++}`).digest()
  const bytes = (length: number): Uint8Array => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) out.set(block().subarray(0, Math.min(32, length - at)), at)
    return out
  }
  return {
    bytes,
    below: (limit) => {
      const view = new DataView(bytes(8).buffer)
      return Number(view.getBigUint64(0) % BigInt(limit))
    },
  }
}
