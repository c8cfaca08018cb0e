import { expect, test } from '@jest/globals'
import { isAtLeast } from '../../../directory/admission/version-floor.ts'

test.each([
  ['1.2.3', '1.2.3', true],
  ['1.2.4', '1.2.3', true],
  ['1.10.0', '1.9.9', true],
  ['2.0.0', '1.99.99', true],
  ['1.2.2', '1.2.3', false],
  ['0.99.99', '1.0.0', false],
  ['1.2.3-rc1', '1.2.3', false],
  ['1.2.4-rc1', '1.2.3', true],
  ['', '0.0.0', false],
  ['newest', '0.0.0', false],
  ['v9.9.9', '1.0.0', false],
  ['1.2', '1.0.0', false],
  ['9999999999.0.0', '1.0.0', false],
])('version %s with the floor %s is in: %s', (version, floor, isIn) => {
  expect(isAtLeast(version, floor)).toBe(isIn)
})
