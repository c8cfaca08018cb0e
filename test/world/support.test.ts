import { describe, expect, jest, test } from '@jest/globals'
import { describeWorld, groupIsMapped, worldCommand, worldSupport } from './support.ts'

function recorder() {
  const calls: string[] = []
  const record = Object.assign((name: string) => calls.push(`run ${name}`), {
    skip: (name: string) => calls.push(`skip ${name}`),
  })
  return { calls, record }
}

describe('where no world is possible', () => {
  test('tests are skipped, and the reason stands in their name and on the terminal', () => {
    const print = jest.spyOn(process.stderr, 'write').mockReturnValue(true)
    const { calls, record } = recorder()
    describeWorld(record, 'a world', () => undefined, { possible: false, why: 'it is Tuesday' })
    expect(calls).toEqual(['skip a world (skipped: it is Tuesday)'])
    expect(print).toHaveBeenCalledWith('skipped: a world: it is Tuesday\n')
    print.mockRestore()
  })
})

test('where a world is possible the tests run', () => {
  const { calls, record } = recorder()
  describeWorld(record, 'a world', () => undefined, { possible: true, how: 'root' })
  expect(calls).toEqual(['run a world'])
})

test('this machine gives one clear answer', () => {
  const support = worldSupport()
  if (support.possible) {
    expect(worldCommand('true', ['1'])).toEqual(['true', '1'])
    expect(groupIsMapped(process.getgid?.() ?? 0)).toBe(true)
  } else expect(support.why).toMatch(/^\S.*\S$/)
})
