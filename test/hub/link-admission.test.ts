import { expect, test } from '@jest/globals'
import { LinkAdmission } from '../../hub/link-admission.ts'

const admission = (perAddress = 2): LinkAdmission => new LinkAdmission(perAddress, (address) => address === '9.9.9.9')

test('one address gets so many places and no more, and its own again when it leaves', () => {
  const places = admission()
  expect([1, 2, 3].map(() => places.enter('198.51.100.1'))).toEqual([true, true, false])
  expect(places.enter('198.51.100.2')).toBe(true)
  places.leave('198.51.100.1')
  expect([1, 2].map(() => places.enter('198.51.100.1'))).toEqual([true, false])
})

test('all addresses of a /64 are one, and an IPv4 address is the same in either way of writing', () => {
  const places = admission()
  expect(['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((one) => places.enter(one))).toEqual([true, true, false])
  expect(places.enter('2001:db8:0:1::1')).toBe(true)
  expect(['::ffff:8.8.8.8', '8.8.8.8', '::ffff:8.8.8.8'].map((one) => places.enter(one))).toEqual([true, true, false])
})

test('hubs of the map are not limited', () => {
  const places = admission()
  for (let i = 0; i < 100; i++) expect(places.enter('9.9.9.9')).toBe(true)
})
