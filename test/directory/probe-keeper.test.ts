import { expect, test } from '@jest/globals'
import { ProbeKeeper } from '../../directory/probe-keeper.ts'
import { Fault } from '../../shared/base/fault.ts'
import { createLog } from '../../shared/base/log.ts'
import { rejectionOf } from '../support/fault-of.ts'

const address = { ip: Uint8Array.of(9, 9, 9, 9), port: 443 }
const RESULT = { hubId: new Uint8Array(32), address, reached: true, newcomer: undefined }

function keeperWith(failures: number) {
  const calls = { proved: 0, reached: 0, failed: 0 }
  const keeper = new ProbeKeeper({
    intake: {
      prove: async () => {
        if (++calls.proved <= failures) throw new Fault('store-unsafe')
        return true
      },
    },
    store: {
      putReached: async () => void calls.reached++,
      putFailed: async () => void calls.failed++,
    },
    log: createLog('error'),
    wallClock: () => 0,
  })
  return { keeper, calls }
}

test('what a probe found is kept, although the store failed for a moment', async () => {
  const { keeper, calls } = keeperWith(1)
  expect(await keeper.keep(RESULT)).toBe(true)
  expect(calls).toEqual({ proved: 2, reached: 1, failed: 0 })
})

test('after the end nothing is tried again, and it is said that it was not kept', async () => {
  const { keeper, calls } = keeperWith(9)
  keeper.close()
  expect((await rejectionOf(keeper.keep(RESULT))).code).toBe('store-unsafe')
  expect(calls.proved).toBe(1)
})
