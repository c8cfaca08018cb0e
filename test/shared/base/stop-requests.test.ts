import { expect, test } from '@jest/globals'
import { StopRequests } from '../../../shared/base/stop-requests.ts'
import { ManualClock } from '../../support/manual-clock.ts'

test('the first request stops, the second is told to wait, the third ends at once', () => {
  const clock = new ManualClock()
  const requests = new StopRequests(clock)
  const steps = Array.from({ length: 4 }, () => {
    clock.advance(500)
    return requests.next()
  })
  expect(steps).toEqual(['stop', 'wait', 'end', 'end'])
})

test('what comes within half a second of a request is the same request, however often', () => {
  const clock = new ManualClock()
  const requests = new StopRequests(clock)
  expect(requests.next()).toBe('stop')
  for (let ms = 0; ms < 499; ms++) {
    clock.advance(1)
    expect(requests.next()).toBe('ignore')
  }
  clock.advance(1)
  expect(requests.next()).toBe('wait')
})
