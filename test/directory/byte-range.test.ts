import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { rangeOf } from '../../directory/byte-range.ts'

describe('a range of a document', () => {
  test.each([
    ['bytes=0-0', { from: 0, to: 1 }],
    ['bytes=2-4', { from: 2, to: 5 }],
    ['bytes=2-', { from: 2, to: 10 }],
    ['bytes=9-99', { from: 9, to: 10 }],
    ['bytes=-3', { from: 7, to: 10 }],
    ['bytes=-99', { from: 0, to: 10 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=99-100', 'unsatisfiable'],
    ['bytes=4-2', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['bytes= 0-1', undefined],
    ['cells=0-1', undefined],
    ['bytes=0-9999999999999999', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of 10 bytes: %s', (header, range) => {
    expect(rangeOf(header, 10)).toEqual(range)
  })

  test('never reaches out of the document', () => {
    const header = fc.oneof(
      fc.string(),
      fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`),
    )
    const check = (text: string, length: number): void => {
      const range = rangeOf(text, length)
      if (typeof range !== 'object') return
      expect(range.from >= 0 && range.from < range.to && range.to <= length).toBe(true)
    }
    fc.assert(fc.property(header, fc.nat(1000), check), { seed: 4, numRuns: 500 })
  })

  test('of an empty document is not there', () => {
    expect(rangeOf('bytes=0-', 0)).toBe('unsatisfiable')
  })
})
