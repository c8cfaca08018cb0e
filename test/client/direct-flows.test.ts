import { expect, test } from '@jest/globals'
import { DirectFlows, MAX_DIRECT } from '../../client/direct-flows.ts'
import type { AskedFlow, JudgedFlow } from '../../client/flow-judge.ts'
import { TestDirectFlow } from '../support/test-direct-flow.ts'

const NO_MATTER = {} as AskedFlow & JudgedFlow

function scene(): { flows: DirectFlows; cuts: Set<() => void>; add: () => TestDirectFlow } {
  const cuts = new Set<() => void>()
  const watch = (_judged: JudgedFlow, _asked: AskedFlow, cut: () => void): (() => void) => {
    cuts.add(cut)
    return () => void cuts.delete(cut)
  }
  const flows = new DirectFlows({ watch })
  const add = (): TestDirectFlow => {
    const flow = new TestDirectFlow()
    flows.add(NO_MATTER, NO_MATTER, flow)
    return flow
  }
  return { flows, cuts, add }
}

test('a flow that new rules forbid ends, once', () => {
  const { flows, cuts, add } = scene()
  const [one, other] = [add(), add()]
  const [cut] = cuts
  cut?.()
  expect([one.ended, other.ended, flows.size, cuts.size]).toEqual([1, 0, 1, 1])
})

test('flows that have ended are forgotten when others come', () => {
  const { flows, cuts, add } = scene()
  const ended = Array.from({ length: 10 }, add)
  for (const flow of ended) flow.alive = false
  const later = Array.from({ length: 10 }, add)
  expect([flows.size, cuts.size]).toEqual([10, 10])
  expect([...ended, ...later].filter((flow) => flow.ended > 0)).toEqual([])
})

test('at the limit the oldest ends for one more', () => {
  const { flows, add } = scene()
  const all = Array.from({ length: MAX_DIRECT }, add)
  expect([flows.size, all.filter(({ ended }) => ended > 0).length]).toEqual([MAX_DIRECT, 0])
  add()
  expect([flows.size, all.filter(({ ended }) => ended > 0).length]).toEqual([MAX_DIRECT, 1])
})
