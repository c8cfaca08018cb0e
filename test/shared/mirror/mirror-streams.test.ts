import { beforeEach, describe, expect, test } from '@jest/globals'
import { Fault } from '../../../shared/base/fault.ts'
import { MAX_MIRROR_STREAMS } from '../../../shared/mirror/mirror-server.ts'
import { MirrorStreams } from '../../../shared/mirror/mirror-streams.ts'
import { rejectionOf } from '../../support/fault-of.ts'

let over: AbortController
let streams: MirrorStreams
beforeEach(async () => {
  over = new AbortController()
  streams = new MirrorStreams(() => Promise.reject(new Fault('link-closed')), over.signal)
  for (let i = 0; i < MAX_MIRROR_STREAMS; i++) await streams.enter(over.signal)
})

describe('who waits for a stream to a mirror', () => {
  test('gets its turn when one is free, in the order in which they came', async () => {
    const turns: number[] = []
    const all = [1, 2].map((n) => streams.enter(over.signal).then(() => turns.push(n)))
    await Promise.resolve()
    expect(turns).toEqual([])
    streams.leave()
    await all[0]
    expect(turns).toEqual([1])
    streams.leave()
    await Promise.all(all)
    expect(turns).toEqual([1, 2])
  })

  test('does not lose its turn to somebody who gave up', async () => {
    const [one, two] = [new AbortController(), new AbortController()]
    const first = streams.enter(one.signal)
    const second = streams.enter(two.signal)
    const third = streams.enter(over.signal)
    two.abort()
    expect((await rejectionOf(second)).code).toBe('cancelled')
    streams.leave()
    await first
    streams.leave()
    await third
    for (let i = 0; i < MAX_MIRROR_STREAMS; i++) streams.leave()
    await streams.enter(over.signal)
  })

  test('waits no longer once all is over', async () => {
    const waiting = streams.enter(over.signal)
    over.abort()
    expect((await rejectionOf(waiting)).code).toBe('cancelled')
    expect((await rejectionOf(streams.enter(new AbortController().signal))).code).toBe('cancelled')
  })
})
