/** Numbers for texts, from 0, so that comparing costs nothing. */
export class Names {
  readonly #numbers = new Map<string, number>()
  readonly #names: string[] = []

  get count(): number {
    return this.#names.length
  }

  /** Of this text, a new one if it has none. */
  number(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#numbers.set(name, this.#names.length)
    return this.#names.push(name) - 1
  }

  /** -1 for a text that has none. */
  find(name: string): number {
    return this.#numbers.get(name) ?? -1
  }

  name(number: number): string {
    return this.#names[number] ?? ''
  }
}
