/** What is wrong with a text, and what to write instead. */
export interface Mistaken {
  readonly mistake: string
}

/** A mistake where it stands. */
export interface Mistake {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly text: string
}

/** `rules.yaml:12: …`, as editors understand it. */
export function mistakeText({ file, line, text }: Mistake): string {
  return `${file}:${line}: ${text}`
}

export function isMistaken(read: object): read is Mistaken {
  return 'mistake' in read
}
