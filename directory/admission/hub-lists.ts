import { z } from 'zod'
import { toHex } from '../../shared/base/bytes.ts'
import { HUB_FLAGS } from '../../shared/map/hub-flags.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'

/** What an operator thinks of hubs. */
export const VERDICTS = ['banned', 'discouraged', 'trusted'] as const
export type Verdict = (typeof VERDICTS)[number]

/** What an entry can name, the most particular first: of all that fit a hub the first kind decides. */
export const SUBJECTS = ['hub', 'family', 'operator', 'as', 'country'] as const
export type Subject = (typeof SUBJECTS)[number]

const SHAPES: Readonly<Record<Subject, RegExp>> = {
  hub: /^[0-9a-f]{64}$/,
  family: /^[\w-]{22}$/,
  operator: /^[^\p{Cc}\u2028\u2029]{1,128}$/u,
  as: /^[1-9]\d{0,9}$/,
  country: /^[A-Z]{2}$/,
}

export const MAX_ENTRIES = 10_000

const entrySchema = z
  .strictObject({
    verdict: z.enum(VERDICTS),
    subject: z.enum(SUBJECTS),
    value: z.string(),
    reason: z.string().min(1).max(200),
  })
  .refine(({ subject, value }) => SHAPES[subject].test(value), {
    path: ['value'],
    error:
      'expected 64 lower-case hexadecimal digits of a hub, the 22 characters of a family, the name of an operator, the number of an AS, or two capital letters of a country',
  })
  .refine(({ verdict, subject }) => verdict !== 'trusted' || subject !== 'operator', {
    path: ['subject'],
    error: 'nobody is trusted for the name of an operator, which any hub can write: trust its family',
  })
export type ListEntry = z.output<typeof entrySchema>

export const hubListsSchema = z.strictObject({
  /** Grows with every change: an older file that is signed as well is not taken. */
  number: z.int().min(1).max(0xffffffff),
  entries: z.array(entrySchema).max(MAX_ENTRIES),
})
export type HubLists = z.output<typeof hubListsSchema>

export const EMPTY_LISTS: HubLists = { number: 0, entries: [] }

/** What lists say of one hub. */
export interface Judgement {
  readonly isBanned: boolean
  /** Bits of `HUB_FLAGS`. */
  readonly flags: number
  /** The entry that decides. */
  readonly entry?: ListEntry | undefined
}

/** Looks hubs up in lists. */
export class HubJudge {
  readonly #entries: ReadonlyMap<string, ListEntry>

  constructor({ entries }: HubLists) {
    this.#entries = new Map(entries.map((entry) => [keyOf(entry.subject, entry.value), entry]))
  }

  judge(hub: Pick<MapHub, 'id' | 'family' | 'operator' | 'location'>): Judgement {
    const values: Readonly<Record<Subject, string>> = {
      hub: toHex(hub.id),
      family: hub.family,
      operator: hub.operator,
      as: String(hub.location.asn),
      country: hub.location.place.country,
    }
    for (const subject of SUBJECTS) {
      const entry = this.#entries.get(keyOf(subject, values[subject]))
      if (entry !== undefined) return { isBanned: entry.verdict === 'banned', flags: flagsOf(entry.verdict), entry }
    }
    return { isBanned: false, flags: 0 }
  }
}

/** With this entry in place of what there was of the same hub, operator or place; or, with no verdict, without it. */
export function changeLists(
  lists: HubLists,
  { verdict, subject, value, reason }: Omit<ListEntry, 'verdict'> & { verdict: Verdict | undefined },
): HubLists {
  const others = lists.entries.filter((entry) => keyOf(entry.subject, entry.value) !== keyOf(subject, value))
  const added = verdict === undefined ? [] : [{ verdict, subject, value, reason }]
  return { number: lists.number + 1, entries: [...others, ...added] }
}

function keyOf(subject: Subject, value: string): string {
  return `${subject} ${value}`
}

function flagsOf(verdict: Verdict): number {
  return verdict === 'banned' ? 0 : HUB_FLAGS[verdict]
}
