import { expect, test } from '@jest/globals'
import { forbiddenKey } from '../../hub/exit-guard.ts'
import { OwnAddresses } from '../../hub/own-addresses.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { ManualClock } from '../support/manual-clock.ts'

const keyOf = (text: string): string => forbiddenKey(parseIp(text) as Uint8Array)

test('an address that the computer gets meanwhile is one of its own a few seconds later', () => {
  const clock = new ManualClock()
  const addresses = ['9.9.9.9', '2001:db8::1%eth0']
  let looks = 0
  const own = new OwnAddresses(clock, () => {
    looks++
    return addresses
  })
  const before = own.keys
  expect(before).toEqual([keyOf('9.9.9.9'), keyOf('2001:db8::1')])
  addresses.push('8.8.8.8')
  clock.advance(4_999)
  expect([own.keys, looks]).toEqual([before, 1])
  clock.advance(1)
  expect(own.keys).toEqual([keyOf('9.9.9.9'), keyOf('2001:db8::1'), keyOf('8.8.8.8')])
  const after = own.keys
  clock.advance(60_000)
  expect([own.keys === after, looks]).toEqual([true, 3])
})
