const MAX_CACHED_BYTES = 128 * 1024 * 1024

/** Documents that were asked for last. */
export class DocumentCache {
  readonly #documents = new Map<string, Uint8Array>()
  #bytes = 0

  find(name: string): Uint8Array | undefined {
    const found = this.#documents.get(name)
    if (found === undefined) return undefined
    this.#documents.delete(name)
    this.#documents.set(name, found)
    return found
  }

  add(name: string, document: Uint8Array): void {
    this.#bytes += document.length - (this.#documents.get(name)?.length ?? 0)
    this.#documents.set(name, document)
    for (const [oldest, { length }] of this.#documents) {
      if (this.#bytes <= MAX_CACHED_BYTES) return
      this.#documents.delete(oldest)
      this.#bytes -= length
    }
  }
}
