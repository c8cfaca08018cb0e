import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { VERSION } from '../../../shared/base/version.ts'
import { ROOT } from '../../support/program.ts'

test('the version that programs tell is the one of the package', () => {
  expect(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version).toBe(VERSION)
})
