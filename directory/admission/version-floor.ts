const VERSION = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-)?/

/** `1.2.3` */
export const VERSION_FLOOR = /^\d{1,9}\.\d{1,9}\.\d{1,9}$/

/** Is this version of a hub's program the lowest that is wanted, or a later one? What is no version is below all. */
export function isAtLeast(version: string, floor: string): boolean {
  const [own, least] = [VERSION.exec(version), VERSION.exec(floor)]
  if (own === null || least === null) return false
  for (const part of [1, 2, 3]) {
    const difference = Number(own[part]) - Number(least[part])
    if (difference !== 0) return difference > 0
  }
  return own[4] === undefined // 1.2.3-rc1 comes before 1.2.3
}
