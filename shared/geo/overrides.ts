import { z } from 'zod'
import { toHex } from '../base/bytes.ts'
import { familyOf, formatRange, type IpAddress, type IpFamily } from '../base/ip-address.ts'
import { parseOptions, rangeSchema } from '../base/options.ts'
import { isCityName } from './city-name.ts'
import type { Location } from './place.ts'

const MAX_OVERRIDES = 65_536

const override = z.strictObject({
  /** Addresses that the entry is for, like `198.18.1.0/24`, `2001:db8::/32` or a single address. */
  range: rangeSchema,
  /** Degrees, north positive. */
  latitude: z.number().min(-90).max(90),
  /** Degrees, east positive. */
  longitude: z.number().min(-180).max(180),
  /** ISO 3166-1. */
  country: z.string().regex(/^[A-Z]{2}$/, 'expected two capital letters, like AT'),
  city: z.string().refine(isCityName, 'expected at most 64 bytes without control characters').default(''),
  /** Number of the autonomous system; 0 if unknown. */
  asn: z.int().min(0).max(0xffff_ffff).default(0),
})

/** The override file: a JSON list of what is known better than the databases know it. No range twice. */
export const overridesSchema = z
  .array(override)
  .max(MAX_OVERRIDES)
  .superRefine((entries, context) => {
    const seen = new Set<string>()
    for (const [i, { range }] of entries.entries()) {
      const text = formatRange(range)
      if (seen.has(text)) {
        context.addIssue({
          code: 'custom',
          path: [i, 'range'],
          message: `expected each range once, ${text} is repeated`,
        })
      }
      seen.add(text)
    }
  })

/** Locations of chosen ranges; where ranges lie within each other, the longest prefix counts. */
export class Overrides {
  /** By family, longest prefix first: the locations by the prefix's bits in hexadecimal digits. */
  readonly #byPrefix: Readonly<Record<IpFamily, ReadonlyMap<number, ReadonlyMap<string, Location>>>>

  /**
   * Checks the content of an override file.
   * @param file named in the fault
   * @throws Fault options-invalid, with all mistakes in its details, one to a line
   */
  static parse(content: unknown, file: string): Overrides {
    return new Overrides(parseOptions(overridesSchema, content, file))
  }

  constructor(entries: z.output<typeof overridesSchema>) {
    const tables: Record<IpFamily, Map<number, Map<string, Location>>> = { 4: new Map(), 6: new Map() }
    const longestFirst = [...entries].sort((a, b) => b.range.prefix - a.range.prefix)
    for (const { range, latitude, longitude, country, city, asn } of longestFirst) {
      const table = tables[familyOf(range.address)]
      const locations = table.get(range.prefix) ?? new Map<string, Location>()
      table.set(
        range.prefix,
        locations.set(prefixKey(range.address, range.prefix), {
          place: { latitude, longitude, country, city },
          asn,
        }),
      )
    }
    this.#byPrefix = tables
  }

  lookup(address: IpAddress): Location | undefined {
    for (const [prefix, locations] of this.#byPrefix[familyOf(address)]) {
      const location = locations.get(prefixKey(address, prefix))
      if (location !== undefined) return location
    }
    return undefined
  }
}

/** The first `prefix` bits of the address. */
function prefixKey(address: IpAddress, prefix: number): string {
  const kept = address.slice(0, Math.ceil(prefix / 8))
  if (prefix % 8 !== 0) kept[kept.length - 1] = (kept.at(-1) ?? 0) & (0xff << (8 - (prefix % 8)))
  return toHex(kept)
}
