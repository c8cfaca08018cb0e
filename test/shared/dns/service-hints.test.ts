import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { serviceHints } from '../../../shared/dns/service-hints.ts'
import { hex } from '../../support/hex.ts'

const V4 = '00 04 00 08 01 02 03 04 0a 00 00 01'
const V6 = `00 06 00 10 ${'20 '.repeat(15)}01`
const found = (text: string): string[] => serviceHints(hex(text)).map((address) => address.join('.'))

describe('addresses of services', () => {
  test.each([
    ['of the name itself, with other parameters', `00 01 00 00 01 00 03 02 68 32 ${V4} ${V6}`, 3],
    ['of another name', `00 01 03 73 76 63 04 74 65 73 74 00 ${V4}`, 2],
    ['of an alias, which has none', '00 00 03 73 76 63 00', 0],
    ['in front of a parameter that is cut', `00 01 00 ${V4} 00 06 00 10 20 20`, 2],
    ['without a last byte', '00 01 00 00 04 00 07 01 02 03 04 0a 00 00', 1],
    ['behind a name that is compressed, which none is', `00 01 c0 0c ${V4}`, 0],
    ['of nothing', '', 0],
  ])('%s', (_, text, count) => {
    expect(found(text)).toEqual(['1.2.3.4', '10.0.0.1', `${'32.'.repeat(15)}1`].slice(0, count))
  })

  test('are views of the data, whatever that is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (data) => {
        for (const hint of serviceHints(data)) {
          expect([4, 16]).toContain(hint.length)
          expect(hint.buffer).toBe(data.buffer)
        }
      }),
    )
  })
})
