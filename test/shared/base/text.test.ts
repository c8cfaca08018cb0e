import { describe, expect, test } from '@jest/globals'
import { isText } from '../../../shared/base/text.ts'

describe('a text that documents can carry', () => {
  test('is counted in bytes of UTF-8', () => {
    expect([isText('', 0), isText('abcd', 4), isText('abcde', 4)]).toEqual([true, true, false])
    expect([isText('ää', 4), isText('äää', 4), isText('\u{1f600}', 4), isText('\u{1f600}', 3)]).toEqual([
      ...[true, false, true, false],
    ])
  })

  test.each(['\u0000', '\n', '\u001f', '\u007f', '\u009f', '\u2028', '\u2029', '\ud800', '\udc00a'])(
    'has no control characters and whole characters only, not %j',
    (wrong) => {
      expect([isText(wrong, 64), isText(`a${wrong}b`, 64)]).toEqual([false, false])
    },
  )

  test.each([' ', '~', '\u00a0', '\u2027', '\u202a', '\ufeff'])('may have %j', (right) => {
    expect(isText(`a${right}b`, 64)).toBe(true)
  })
})
