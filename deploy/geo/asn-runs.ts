import type { IpFamily } from '../../shared/base/ip-address.ts'
import { BlockRuns, type Runs } from '../../shared/geo/block-runs.ts'

/** Addresses in one block, as a power of two. */
const BLOCK_BITS = { 4: 8, 6: 80 } as const satisfies Record<IpFamily, number>

/**
 * Reads a table of AS numbers: a line for each range of addresses, in ascending order,
 * `first address,last address,AS number,"name"`, all as decimal numbers. Where ranges overlap, the earlier one counts.
 */
export function asnRuns(csv: string, family: IpFamily): Runs {
  const runs = new BlockRuns(family)
  const block = 2 ** BLOCK_BITS[family]
  for (const line of csv.split('\n')) {
    const [first, last, asn] = line.split(',', 3)
    if (first === undefined || last === undefined || asn === undefined) continue
    const from = Math.max(Number(BigInt(first)) / block, runs.end)
    const to = Number(BigInt(last) + 1n) / block
    if (to > from) runs.add(from, to, Number(asn))
  }
  return runs.finish()
}
