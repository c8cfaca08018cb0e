import type { Random } from '../base/random.ts'

const IDS_OF_A_SIDE = 2 ** 31

/**
 * The id of a new circuit on a link, drawn by chance from those of its side: odd for the one that dialled, even for the other.
 * Counted ids would have gaps where a circuit ended before its CREATE went out, so that the hub before could tell the hub
 * behind something past an honest one between them (SPEC section 10.3).
 */
export function drawCircuitId(initiator: boolean, random: Random, isTaken: (id: number) => boolean): number {
  for (;;) {
    const drawn = random.below(IDS_OF_A_SIDE)
    const id = initiator ? 2 * drawn + 1 : 2 * drawn
    if (id !== 0 && !isTaken(id)) return id
  }
}
