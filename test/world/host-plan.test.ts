import { expect, test } from '@jest/globals'
import { CITIES } from './cities.ts'
import { type HostSpec, planHosts } from './host-plan.ts'
import { nameTable } from './name-files.ts'
import { overridesOf } from './overrides.ts'

const berlin: HostSpec = { name: 'berlin', ...CITIES.berlin }
const tokyo: HostSpec = { name: 'tokyo', ...CITIES.tokyo }

test('each host gets ranges of its own, and the gateway is on its wire', () => {
  const [first, second] = planHosts([berlin, tokyo])
  expect(first?.ipv4).toEqual({ address: '198.18.1.2', gateway: '198.18.1.1', prefix: 24, range: '198.18.1.0/24' })
  expect(second?.ipv6).toEqual({
    address: '2001:db8:2::2',
    gateway: '2001:db8:2::1',
    prefix: 64,
    range: '2001:db8:2::/48',
  })
})

test('a host may choose its addresses, or have none of a family', () => {
  const [plan] = planHosts([{ ...berlin, ipv4: '198.19.7.80', ipv6: 'none' }])
  expect(plan?.ipv4).toEqual({ address: '198.19.7.80', gateway: '198.19.7.1', prefix: 24, range: '198.19.7.0/24' })
  expect(plan?.ipv6).toBeUndefined()
})

test.each([
  ['an address of the real internet', [{ ...berlin, ipv4: '192.0.2.1' }], 'not an address of 198.18.0.0/15'],
  ['an address of the wrong family', [{ ...berlin, ipv4: '2001:db8::2' }], 'not an address of 198.18.0.0/15'],
  ['an IPv6 address from elsewhere', [{ ...berlin, ipv6: 'fd00::2' }], 'not an address of 2001:db8::/32'],
  ['the address of the gateway', [{ ...berlin, ipv4: '198.18.9.1' }], "the gateway's address"],
  ['two hosts in one range', [berlin, { ...tokyo, ipv4: '198.18.1.77' }], 'the same range 198.18.1.0/24'],
  ['two hosts of one name', [berlin, berlin], 'the same name berlin'],
  ['a name that no interface can have', [{ ...berlin, name: 'a-very-long-name' }], 'not a name for a host'],
  ['the name of the router', [{ ...berlin, name: 'internet' }], 'not a name for a host'],
])('%s is refused with a sentence', (_, specs, sentence) => {
  expect(() => planHosts(specs)).toThrow(sentence)
})

test('names lead to hosts, to given addresses, and to nothing else', () => {
  const plans = planHosts([berlin, tokyo])
  expect(nameTable(plans, { 'Shop.Example': ['tokyo', '198.18.99.9'], 'rebind.example': ['127.0.0.1'] })).toEqual({
    'berlin.test': ['198.18.1.2', '2001:db8:1::2'],
    'tokyo.test': ['198.18.2.2', '2001:db8:2::2'],
    'shop.example': ['198.18.2.2', '2001:db8:2::2', '198.18.99.9'],
    'rebind.example': ['127.0.0.1'],
  })
  expect(() => nameTable(plans, { 'shop.example': ['paris'] })).toThrow('no host and no address')
})

test('the override list puts both ranges of a host where it stands', () => {
  const place = { latitude: 52.52, longitude: 13.4, country: 'DE', city: 'Berlin', asn: 64497 }
  expect(overridesOf(planHosts([berlin]))).toEqual([
    { range: '198.18.1.0/24', ...place },
    { range: '2001:db8:1::/48', ...place },
  ])
})
