import { describe, expect, test } from '@jest/globals'
import { Wildcard } from '../../../client/rules/wildcard.ts'
import { cheapRandom } from '../../fuzz/chance.ts'

describe('a wildcard', () => {
  test('is what a regular expression would be, for any text', () => {
    const random = cheapRandom(5)
    const some = (letters: string, max: number): string =>
      Array.from({ length: random.below(max) }, () => letters[random.below(letters.length)]).join('')
    let matches = 0
    for (let i = 0; i < 20_000; i++) {
      const [pattern, text] = [some('ab.**', 8), some('ab.', 10)]
      const known = new RegExp(`^${pattern.replaceAll('.', '\\.').replace(/\*+/g, '.*')}$`).test(text)
      expect([pattern, text, new Wildcard(pattern).matches(text)]).toEqual([pattern, text, known])
      if (known) matches++
    }
    expect(matches).toBeGreaterThan(1_000)
  })

  test('with many stars comes to an end', () => {
    // A regular expression of this form would not end.
    expect(new Wildcard(`${'*a'.repeat(250)}*b`).matches('a'.repeat(100_000))).toBe(false)
  })

  test('without a star stands for one text', () => {
    expect([new Wildcard('/usr/bin/curl').isExact, new Wildcard('/usr/bin/*').isExact]).toEqual([true, false])
    expect(new Wildcard('').matches('')).toBe(true)
    expect(new Wildcard('').matches('a')).toBe(false)
  })
})
