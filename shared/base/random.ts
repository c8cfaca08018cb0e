import { randomBytes, randomInt } from 'node:crypto'

/** Where chance comes from. Cores are handed one; tests hand them a seeded one. */
export interface Random {
  bytes(length: number): Uint8Array
  /** A whole number from 0 up to, not including, `limit` (1 to 2^48 - 1), each as likely as the others. */
  below(limit: number): number
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  below: (limit) => randomInt(limit),
}

/** One of `items`, each as likely; undefined if there are none. */
export function chooseOne<T>(items: readonly T[], random: Random): T | undefined {
  return items.length === 0 ? undefined : items[random.below(items.length)]
}

/** A new array with the same items in random order (Fisher-Yates). */
export function shuffle<T>(items: readonly T[], random: Random): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const held = result[i] as T
    result[i] = result[j] as T
    result[j] = held
  }
  return result
}
