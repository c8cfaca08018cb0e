import { describe, expect, test } from '@jest/globals'
import { storm } from '../storm/storm-run.ts'
import { describeWorld } from '../world/support.ts'

const TRANSITIONS = 40
const SEED = 'storm of the test'

describeWorld(describe, 'a client in a storm', () => {
  test(`of ${TRANSITIONS} transitions lets nothing out that its promise does not name`, async () => {
    const result = await storm(TRANSITIONS, SEED)
    process.stderr.write(`storm: ${JSON.stringify(result)}\n`)
    expect(result).toMatchObject({ outside: 0, examples: [], works: true })
    // The programs were heard whenever they might be, and the client used its network.
    expect(result.inTheOpen).toBeGreaterThan(100)
    expect(result.own).toBeGreaterThan(100)
  }, 900_000)
})
