import { expect, test } from '@jest/globals'
import { chaos } from './chaos-run.ts'

const KILLS = 5

test(`a directory on Redis of which ${KILLS} times the head is killed loses nothing, and has one chain of maps`, async () => {
  const result = await chaos(KILLS, 'chaos of the test')
  process.stderr.write(`chaos: ${JSON.stringify(result)}\n`)
  expect(result).toMatchObject({ kills: KILLS, lost: 0, forks: 0, twoValid: 0 })
  expect(result.replicasKilled * result.primariesKilled).toBeGreaterThan(0)
  expect(result.accepted).toBeGreaterThan(50)
  expect(result.epochs).toBeGreaterThan(1)
})
