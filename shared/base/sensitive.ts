import { inspect } from 'node:util'

/**
 * A value that must not reach a log, an error text or a JSON export by accident: an address of a user, a destination.
 * Printing it in any of the usual ways gives `[sensitive]`; `reveal()` is the one door.
 */
export class Sensitive<T> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  reveal(): T {
    return this.#value
  }

  toString(): string {
    return '[sensitive]'
  }

  toJSON(): string {
    return '[sensitive]'
  }

  [inspect.custom](): string {
    return '[sensitive]'
  }
}
