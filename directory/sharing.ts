import type { NoteKind } from './consensus/note.ts'

/** What replicas of a directory decide once for an epoch: their vote, their echo, and the hash of the map. */
export type Frozen = NoteKind

/** This replica publishes. */
export interface Turn {
  /** It did not a moment ago. */
  readonly isNew: boolean
  /** An epoch of which the hash of the map was decided, while nobody published the map: it comes before any other. */
  readonly unfinished: number | undefined
}

/** Between replicas of one directory, which have one key: what keeps them from signing two things. */
export interface Sharing {
  /** Is this the replica that publishes, as far as it knows? */
  readonly leads: boolean
  /** Tries to be the replica that publishes, or to stay it. Undefined if another one is. */
  lead(): Promise<Turn | undefined>
  /**
   * Decides, if nobody did: the first word stays, whatever is said later. Fulfilled when that is safe.
   * @returns what was decided; undefined if nothing is, and this replica may not decide
   */
  freeze(kind: Frozen, epoch: number, said: Uint8Array): Promise<Uint8Array | undefined>
  /** What was decided, safely. */
  frozen(kind: Frozen, epoch: number): Promise<Uint8Array | undefined>
}
