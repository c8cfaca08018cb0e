/** Something that reads what strangers send, in a form that can be handed any bytes. */
export interface FuzzTarget {
  readonly name: string
  /** What is read, in a few words, for the list of targets. */
  readonly about: string
  /** Longer inputs are cut. */
  readonly maxBytes: number
  /** Valid inputs, made by the real encoders where there are any. The same at every call, but for fresh keys. */
  readonly seeds: () => readonly Uint8Array[]
  /** Pieces that chance does not find: magic numbers, names of options. */
  readonly words?: readonly Uint8Array[]
  /** The input is JSON: mutations also change its values, so that it stays JSON. */
  readonly json?: boolean
  /**
   * Reads one input and checks all promises about it. Gives a word for what came of it, of which there are few.
   * @throws anything, if a promise is broken: faults that the reader documents are caught here
   */
  readonly run: (input: Uint8Array) => string | Promise<string>
}

/** A promise that does not hold. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

/** @throws BrokenPromise unless `holds` */
export function promise(holds: boolean, what: string): asserts holds {
  if (!holds) throw new BrokenPromise(what)
}
