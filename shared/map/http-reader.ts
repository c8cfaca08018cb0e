import { z } from 'zod'
import { parseHex, toHex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { HASH_BYTES } from './hub-map.ts'
import type { MapReader } from './map-download.ts'
import type { MapHeadline } from './mirror-message.ts'
import { MAX_MAP_BYTES } from './signed-map.ts'

const headAnswer = z.object({ epoch: z.int().nonnegative(), hash: z.string() })

/**
 * Reads documents of a directory at their paths (SPEC section 11.6).
 * @param get what stands at a path; an answer of some kilobytes is taken in any case
 */
export function httpReader(get: (path: string, maxBytes: number) => Promise<Uint8Array>): MapReader {
  return {
    head: async () => readHead(await get('/v1/head', 0)),
    map: (hash) => get(`/v1/maps/${toHex(hash)}`, MAX_MAP_BYTES),
    diff: (from, to) => get(`/v1/diffs/${toHex(from)}/${toHex(to)}`, MAX_MAP_BYTES),
    keys: (hash, bytes) => get(`/v1/keys/${toHex(hash)}`, bytes),
    keyDiff: (from, to, maxBytes) => get(`/v1/keys/${toHex(from)}/${toHex(to)}`, maxBytes),
  }
}

function readHead(bytes: Uint8Array): MapHeadline {
  try {
    const { epoch, hash } = headAnswer.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
    const parsed = parseHex(hash)
    if (parsed?.length === HASH_BYTES) return { epoch, hash: parsed }
  } catch (cause) {
    throw new Fault('encoding-invalid', {}, cause)
  }
  throw new Fault('encoding-invalid')
}
