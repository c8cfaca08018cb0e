import { expect, test } from '@jest/globals'
import { mustEnd } from '../../../client/protection/existing-connections.ts'
import { parseIp, parseRange } from '../../../shared/base/ip-address.ts'

const DIRECT = ['198.19.0.0/24', '2001:db8:d::/64'].map((text) => parseRange(text)!)
const endpoint = (text: string) => ({ address: parseIp(text)!, port: 7 })

test.each([
  ['to the outside', '198.18.0.2', '203.0.113.7', true],
  ['to the outside', '2001:db8::2', '2001:db8:1::1', true],
  ['to a socket that takes both families, as the system names it', '::ffff:198.18.0.2', '::ffff:203.0.113.7', true],
  ['over loopback', '127.0.0.1', '127.0.0.53', false],
  ['over loopback', '::1', '::1', false],
  ['to itself', '198.18.0.2', '198.18.0.2', false],
  ['to a direct network', '198.18.0.2', '198.19.0.1', false],
  ['to a direct network', '2001:db8::2', '2001:db8:d::1', false],
  ['to the neighbour of a direct network', '198.18.0.2', '198.19.1.1', true],
])('a connection from before %s: %s to %s', (_, source, destination, ends) => {
  expect(mustEnd({ source: endpoint(source), destination: endpoint(destination) }, DIRECT)).toBe(ends)
})
