import { toHex } from '../base/bytes.ts'
import { HUB_ID_BYTES } from '../crypto/hub-key.ts'
import type { Value } from './canonical.ts'
import { MAX_LOAD_CLASS } from './measured.ts'
import type { ValueReader } from './value-reader.ts'

/** What a hub says of how it is: of links to hubs only, in steps, without a number that would tell of users. */
export interface HubStatus {
  /** Quarters of its capacity that it carries, rounded down. */
  readonly loadClass: number
  /** In the order of the ids, each once. */
  readonly links: readonly LinkReport[]
}

/** A link to another hub. */
export interface LinkReport {
  readonly hubId: Uint8Array
  /** Its round trip takes about 2^(n/2) ms. */
  readonly rttStep: number
}

export const MAX_LINK_REPORTS = 64
/** More than half a minute. */
export const MAX_RTT_STEP = 31
/** Of a hub that has just started. */
export const NO_STATUS: HubStatus = { loadClass: 0, links: [] }

/** [load class, [[hub id, step], ...]] */
export function statusValue({ loadClass, links }: HubStatus): Value {
  return [loadClass, links.map(({ hubId, rttStep }) => [hubId, rttStep])]
}

export function readStatus(reader: ValueReader): HubStatus | undefined {
  const loadClass = reader.uint(MAX_LOAD_CLASS)
  const links = reader.list(MAX_LINK_REPORTS, readLink)
  const keys = links.map(({ hubId }) => toHex(hubId))
  const sorted = keys.every((key, i) => i === 0 || (keys[i - 1] as string) < key)
  return reader.ended && sorted ? { loadClass, links } : undefined
}

function readLink(reader: ValueReader): LinkReport | undefined {
  const link = { hubId: reader.bytes(HUB_ID_BYTES), rttStep: reader.uint(MAX_RTT_STEP) }
  return reader.ended ? link : undefined
}
