/** Part of a document. */
export interface ByteRange {
  readonly from: number
  /** Behind the last byte. */
  readonly to: number
}

/**
 * What a `range` header asks of a document (RFC 9110, section 14): one range of bytes. Undefined for the whole document,
 * also where several ranges or other units are asked for, which a server may ignore.
 */
export function rangeOf(header: string | undefined, length: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Math.min(Number(last), length)
    return count === 0 ? 'unsatisfiable' : { from: length - count, to: length }
  }
  const from = Number(first)
  const to = last === '' ? length : Math.min(Number(last) + 1, length)
  if (last !== '' && Number(last) < from) return undefined // malformed, so ignored
  return from >= length ? 'unsatisfiable' : { from, to }
}
