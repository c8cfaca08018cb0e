/*
 * What is measured goes into the map in steps of a logarithm, and stays on its step as long as it is near it: each hub whose
 * numbers change is in the diff that every client fetches.
 */

/** How far from the step that was published a value may be, in steps, before another one is. */
const SLACK = 0.75

export function isNear(position: number, published: number): boolean {
  return Math.abs(position - published) <= SLACK
}

/** The step of a value, which is at this place between steps. */
export function settle(position: number, published: number | undefined): number {
  return published !== undefined && isNear(position, published) ? published : Math.max(0, Math.round(position))
}

/** Two steps are a factor of two. */
export function positionOfKbits(kbits: number): number {
  return 2 * Math.log2(Math.max(1, kbits))
}

/** The same on every computer: but for a product by a constant, powers of two. */
export function kbitsOfStep(step: number): number {
  const octaves = 2 ** Math.floor(step / 2)
  return Math.min(0xffff_ffff, Math.round(step % 2 === 0 ? octaves : octaves * Math.SQRT2))
}
