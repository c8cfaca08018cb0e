import { describe, expect, test } from '@jest/globals'
import { parseCommandLine } from '../../../shared/base/command-line.ts'
import { faultOf } from '../../support/fault-of.ts'

const NAMES = { required: ['config', 'name'], optional: ['network'] }

function mistakesOf(args: readonly string[]): unknown {
  const fault = faultOf(() => parseCommandLine(args, NAMES))
  expect(fault.code).toBe('options-invalid')
  return fault.details.mistakes
}

describe('a command line', () => {
  test('gives the values of its flags in either form', () => {
    const flags = parseCommandLine(['--config', 'a.json', '--name=x=y'], NAMES)
    expect({ ...flags }).toEqual({ config: 'a.json', name: 'x=y' })
    expect(flags.network).toBeUndefined()
  })

  test('with several flags missing says so of each', () => {
    expect(mistakesOf([])).toBe('--config: expected a value\n--name: expected a value')
    expect(mistakesOf(['--name', 'x'])).toBe('--config: expected a value')
  })

  test.each([
    [['--config', 'a', '--name', 'b', '--nane', 'c'], /--nane/],
    [['--config', 'a', '--name'], /--name/],
    [['--config', 'a', '--name', 'b', 'word'], /word/],
    [['--config', '--name', 'b'], /--config/],
    [['-c', 'a'], /-c/],
  ])('%j is refused, and the mistake is named', (args, named) => {
    expect(mistakesOf(args)).toMatch(named)
  })

  test('does not take a flag of the object that holds the flags', () => {
    expect(mistakesOf(['--config', 'a', '--name', 'b', '--__proto__', 'c'])).toMatch(/__proto__/)
  })
})
