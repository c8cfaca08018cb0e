import { describe, expect, test } from '@jest/globals'
import { RecentBytes, SMALL_BYTES, SmallSenders } from '../../../shared/link/small-senders.ts'

describe('recent bytes', () => {
  test('are those of this second and the one before', () => {
    const recent = new RecentBytes()
    expect(recent.add(10, 100)).toBe(10)
    expect(recent.add(10, 999)).toBe(20)
    expect(recent.add(5, 1000)).toBe(25)
    expect(recent.add(1, 2000)).toBe(6)
    expect(recent.add(1, 2999)).toBe(7)
    expect(recent.add(3, 4000)).toBe(3)
  })
})

describe('small senders', () => {
  test('are there for 300 ms after each of their cells', () => {
    const small = new SmallSenders()
    expect(small.some(0)).toBe(false)
    small.saw({}, 512, 10)
    expect([small.some(10), small.some(309), small.some(310)]).toEqual([true, true, false])
  })

  test('are those at the limit and not one byte above it', () => {
    const small = new SmallSenders()
    small.saw({}, SMALL_BYTES + 1, 10)
    expect(small.some(10)).toBe(false)
    small.saw({}, SMALL_BYTES, 10)
    expect(small.some(10)).toBe(true)
  })

  test('do not count any more when they turn out to be downloads, unless there is another one', () => {
    const small = new SmallSenders()
    const [download, keystrokes] = [{}, {}]
    small.saw(download, SMALL_BYTES, 10)
    small.saw(download, SMALL_BYTES + 512, 11)
    expect(small.some(11)).toBe(false)
    small.saw(download, SMALL_BYTES, 12)
    small.saw(keystrokes, 512, 13)
    small.saw(download, SMALL_BYTES + 512, 14)
    expect(small.some(14)).toBe(true)
  })
})
