import { expect, test } from '@jest/globals'
import { BEGINNING_MS, trackedFlow } from '../../../client/interception/tracked-flow.ts'

const ENDS: [number, Uint8Array, number, Uint8Array, number] = [6, Uint8Array.of(1, 2, 3, 4), 5, new Uint8Array(4), 6]
const END = { address: new Uint8Array(4), port: 1 }

test('a flow is alive while it begins and as long as the kernel knows it, and is forgotten by its ends', () => {
  let [now, known] = [0, false]
  const forgotten: unknown[] = []
  const native = {
    originalFlow: () => (known ? { source: END, destination: END } : undefined),
    forgetFlow: (...ends: typeof ENDS) => void forgotten.push(ends),
  }
  const flow = trackedFlow(native, ENDS, () => now)
  now = BEGINNING_MS - 1
  expect(flow.isAlive()).toBe(true)
  now = BEGINNING_MS
  expect(flow.isAlive()).toBe(false)
  known = true
  expect(flow.isAlive()).toBe(true)
  flow.end()
  expect(forgotten).toEqual([ENDS])
})

test('a kernel that can not be asked ends nothing, and nothing by throwing', () => {
  const fail = (): never => {
    throw new Error('no memory')
  }
  const flow = trackedFlow({ originalFlow: fail, forgetFlow: fail }, ENDS, () => BEGINNING_MS * 2)
  expect(flow.isAlive()).toBe(true)
  flow.end()
})
