import { expect, test } from '@jest/globals'
import { Attempts } from '../../directory/attempts.ts'

test('tells what was done, and what failed and why', async () => {
  const failed: unknown[] = []
  const attempts = new Attempts((what, error) => failed.push([what, (error as Error).message]))
  expect(await attempts.begin('first', async () => {})).toBe(true)
  expect(await attempts.begin('second', () => Promise.reject(new Error('full')))).toBe(false)
  expect(failed).toEqual([['second', 'full']])
})

test('begins once what is not to go on twice', async () => {
  const attempts = new Attempts(() => {})
  const gate = Promise.withResolvers<void>()
  let begun = 0
  const work = (): Promise<void> => {
    begun++
    return gate.promise
  }
  attempts.beginOnce('one', work)
  attempts.beginOnce('one', work)
  attempts.beginOnce('other', work)
  expect(begun).toBe(2)
  gate.resolve()
  await attempts.over()
  attempts.beginOnce('one', work)
  expect(begun).toBe(3)
})

test('is over when also that is over which began meanwhile', async () => {
  const attempts = new Attempts(() => {})
  const done: string[] = []
  const later = (name: string): Promise<void> =>
    new Promise((resolve) => setImmediate(() => resolve(void done.push(name))))
  attempts.begin('first', async () => {
    await later('first')
    attempts.begin('second', () => later('second'))
  })
  await attempts.over()
  expect(done).toEqual(['first', 'second'])
})
