/** Work that goes on beside all else, and may fail without ending the program. */
export class Attempts {
  readonly #onFailed: (what: string, error: unknown) => void
  /** What goes on at the moment, by what is said if it fails. */
  readonly #running = new Map<Promise<boolean>, string>()

  /** @param onFailed is told what failed, and why */
  constructor(onFailed: (what: string, error: unknown) => void) {
    this.#onFailed = onFailed
  }

  /**
   * @param failure what is said if it fails
   * @returns whether it was done
   */
  begin(failure: string, action: () => Promise<void>): Promise<boolean> {
    const attempt = action()
      .then(
        () => true,
        (error) => {
          this.#onFailed(failure, error)
          return false
        },
      )
      .finally(() => this.#running.delete(attempt))
    this.#running.set(attempt, failure)
    return attempt
  }

  /** Not while the one before goes on. */
  beginOnce(failure: string, action: () => Promise<void>): void {
    if (![...this.#running.values()].includes(failure)) this.begin(failure, action)
  }

  /** When nothing goes on any more, also nothing that began meanwhile. */
  async over(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.keys())
  }
}
