import { describe, expect, test } from '@jest/globals'
import { utf8 } from '../../../shared/base/bytes.ts'
import type { Value } from '../../../shared/map/canonical.ts'
import { ValueReader } from '../../../shared/map/value-reader.ts'

const one = (value: Value): ValueReader => new ValueReader([value])

describe('a value reader', () => {
  test('reads fields in order, and has ended only when all were read', () => {
    const reader = new ValueReader([7, Uint8Array.of(1, 2), utf8('Wien'), [1, 2], [3, [4]]])
    expect(reader.uint()).toBe(7)
    expect(reader.ended).toBe(false)
    expect(reader.bytes(2)).toEqual(Uint8Array.of(1, 2))
    expect(reader.text(10)).toBe('Wien')
    const uint = (inner: ValueReader): number | undefined => (inner.ended ? undefined : inner.uint())
    expect(reader.list(2, () => 9)).toEqual([9, 9])
    expect(reader.record((inner) => [inner.uint(), inner.list(1, uint)])).toEqual([3, [0]])
    expect(reader.ended).toBe(true)
  })

  const failing: [string, (reader: ValueReader) => unknown, Value][] = [
    ['a number where bytes stand', (reader) => reader.uint(), new Uint8Array(1)],
    ['a number where a list stands', (reader) => reader.uint(), [1]],
    ['a number beyond its limit', (reader) => reader.uint(10), 11],
    ['bytes where a number stands', (reader) => reader.bytes(1), 1],
    ['bytes where a list stands', (reader) => reader.bytes(1), [1]],
    ['bytes that are too short', (reader) => reader.bytes(4, 16), new Uint8Array(3)],
    ['bytes that are too long', (reader) => reader.bytes(4, 16), new Uint8Array(17)],
    ['bytes of another length', (reader) => reader.bytes(32), new Uint8Array(31)],
    ['text that is too long', (reader) => reader.text(3), utf8('Wién')],
    ['text that is no UTF-8', (reader) => reader.text(3), Uint8Array.of(0xff)],
    ['a list where bytes stand', (reader) => reader.list(3, () => 1), new Uint8Array(2)],
    ['a list that is too long', (reader) => reader.list(2, () => 1), [1, 2, 3]],
    ['a list with a bad item', (reader) => reader.list(3, () => undefined), [1]],
    ['a record that is a number', (reader) => reader.record((inner) => (inner.ended ? 1 : undefined)), 1],
    ['a record that its reader refuses', (reader) => reader.record(() => undefined), [1]],
  ]
  test.each(failing)('fails at %s, and does not throw', (_, read, value) => {
    const reader = one(value)
    read(reader)
    expect(reader.ended).toBe(false)
  })

  test('fails at a field that is not there, for good', () => {
    const reader = new ValueReader([])
    expect(reader.ended).toBe(true)
    expect([reader.uint(), reader.bytes(0, 5), reader.text(5), reader.list(5, () => 1)]).toEqual([
      0,
      new Uint8Array(0),
      '',
      [],
    ])
    expect(reader.ended).toBe(false)
    expect(new ValueReader(7).ended).toBe(false)
    expect(new ValueReader(undefined).ended).toBe(false)
    expect(new ValueReader(new Uint8Array(0)).ended).toBe(false)
  })

  test.each(['\0', '\n', '\t', '\u001b[31m', '\u007f', '\u0085', '\u009f', '\u2028', '\u2029'])(
    'takes no text with the control character %j',
    (control) => {
      const reader = one(utf8(`a${control}b`))
      expect([reader.text(100), reader.ended]).toEqual(['', false])
    },
  )

  test('takes text of exactly its limit in bytes', () => {
    expect(one(utf8('Größe')).text(7)).toBe('Größe')
  })
})
