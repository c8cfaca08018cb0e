import { expect, test } from '@jest/globals'
import { judgeMaps, type NamedMap } from './chaos-judge.ts'

const map = (epoch: number, previous = epoch - 1): NamedMap => ({ epoch, hash: `h${epoch}`, previous: `h${previous}` })
const CLEAN = { skipped: 0, mostSkipped: 0, forks: 0, twoValid: 0 }

test.each<[string, NamedMap[], Pick<NamedMap, 'epoch' | 'hash'>[], object]>([
  ['nothing', [], [], { ...CLEAN, epochs: 0 }],
  ['a chain', [map(3), map(1), map(2)], [map(2)], { ...CLEAN, epochs: 3 }],
  [
    'a gap of two and one of one',
    [map(1), map(4, 1), map(6, 4)],
    [],
    { ...CLEAN, epochs: 3, skipped: 3, mostSkipped: 2 },
  ],
  ['two that name one', [map(1), map(2), map(3, 1)], [], { ...CLEAN, epochs: 3, forks: 1 }],
  [
    'another map that a client was given',
    [map(1)],
    [{ epoch: 1, hash: 'other' }],
    { ...CLEAN, epochs: 1, twoValid: 1 },
  ],
  ['two that only clients saw', [], [map(1), { epoch: 1, hash: 'x' }], { ...CLEAN, epochs: 0, twoValid: 1 }],
])('the judge of chaos sees %s', (_, log, seen, expected) => {
  expect(judgeMaps(log, seen)).toEqual(expected)
})
