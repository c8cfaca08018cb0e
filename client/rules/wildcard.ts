/** A text in which `*` stands for any characters, also none. Never slower than length of text × stars. */
export class Wildcard {
  readonly text: string
  readonly #parts: readonly string[]

  constructor(text: string) {
    this.text = text
    this.#parts = text.split(/\*+/)
  }

  /** Stands for one text only. */
  get isExact(): boolean {
    return this.#parts.length === 1
  }

  matches(text: string): boolean {
    const parts = this.#parts
    const first = parts[0] as string
    const last = parts.at(-1) as string
    if (parts.length === 1) return text === first
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    const end = text.length - last.length
    let at = first.length
    for (let i = 1; i < parts.length - 1; i++) {
      const part = parts[i] as string
      const found = text.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}
