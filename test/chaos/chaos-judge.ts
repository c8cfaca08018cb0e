/** A map by its name, and what it names as the one before it. */
export interface NamedMap {
  readonly epoch: number
  /** Hexadecimal. */
  readonly hash: string
  readonly previous: string
}

export interface MapVerdict {
  readonly epochs: number
  /** Epochs without a map between two that have one, and the most in a row. */
  readonly skipped: number
  readonly mostSkipped: number
  /** Maps that do not name the one before them. */
  readonly forks: number
  /** Epochs for which two maps were signed. */
  readonly twoValid: number
}

/**
 * What the maps of a run say of it.
 * @param log what the store has
 * @param seen what clients were given, and what was signed
 */
export function judgeMaps(log: readonly NamedMap[], seen: readonly Pick<NamedMap, 'epoch' | 'hash'>[]): MapVerdict {
  const sorted = log.toSorted((a, b) => a.epoch - b.epoch)
  const gaps = sorted.slice(1).map(({ epoch }, i) => epoch - (sorted[i] as NamedMap).epoch - 1)
  const hashes = new Map<number, Set<string>>()
  for (const { epoch, hash } of [...sorted, ...seen]) hashes.set(epoch, (hashes.get(epoch) ?? new Set()).add(hash))
  return {
    epochs: sorted.length,
    skipped: gaps.reduce((sum, gap) => sum + gap, 0),
    mostSkipped: Math.max(0, ...gaps),
    forks: sorted.slice(1).filter(({ previous }, i) => previous !== (sorted[i] as NamedMap).hash).length,
    twoValid: [...hashes.values()].filter(({ size }) => size > 1).length,
  }
}
