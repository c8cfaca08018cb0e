import { concatBytes } from '../../shared/base/bytes.ts'

/** Attempts that one crash is worth. */
const MAX_ATTEMPTS = 2000

/**
 * A shorter input for which `crashes` is still true: takes pieces away, large ones first, then sets bytes to zero.
 */
export async function shrink(input: Uint8Array, crashes: (input: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
  let best = input
  let attempts = 0
  const attempt = async (candidate: Uint8Array): Promise<boolean> => {
    if (++attempts > MAX_ATTEMPTS || !(await crashes(candidate))) return false
    best = candidate
    return true
  }
  for (let size = best.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= best.length; ) {
      if (!(await attempt(concatBytes(best.subarray(0, at), best.subarray(at + size))))) at += size
    }
  }
  for (let at = 0; at < best.length; at++) {
    if (best[at] !== 0) await attempt(best.with(at, 0))
  }
  return best
}
