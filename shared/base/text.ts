import { utf8 } from './bytes.ts'

/** Control characters and line separators: they have no place in a name, and could forge lines of a terminal or log. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

/** True for a text that documents can carry: so many bytes of UTF-8 at most, no control characters. */
export function isText(text: string, maxBytes: number): boolean {
  return text.length <= maxBytes && utf8(text).length <= maxBytes && !FORBIDDEN.test(text) && text.isWellFormed()
}
