import { expect, test } from '@jest/globals'
import {
  isPlain,
  packDecided,
  packFlows,
  unpackDecided,
  unpackFlows,
} from '../../../client/interception/packed-flows.ts'
import type { QueuedFlow } from '../../../client/interception/queue-messages.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'

const end = (host: string, port: number) => ({ address: parseIp(host) as Uint8Array, port })

const SOCKET = { inode: 0xffff_fffe, uid: 65_534, cookie: 0xfedc_ba98_7654_3210n, cgroup: 2 ** 53 - 1 }

const V4: QueuedFlow = {
  flow: 2 ** 40 + 1,
  kind: 'tcp',
  incoming: false,
  source: end('255.254.1.2', 65_535),
  destination: end('0.0.0.1', 1),
  uid: 0xffff_fffe,
  sockets: [SOCKET],
  forwarded: undefined,
  echo: undefined,
}
const V6: QueuedFlow = {
  ...V4,
  flow: 7,
  kind: 'udp',
  source: end('ffff:1::8000:1', 40_000),
  destination: end('2001:db8::1', 53),
  uid: undefined,
  sockets: [],
}

test('flows come out as they went in, alone and together', () => {
  for (const flows of [[], [V4], [V6], [V4, V6, { ...V4, uid: 0 }]])
    expect(unpackFlows(packFlows(flows))).toEqual(flows)
})

test('what does not fit into numbers is not plain', () => {
  expect([V4, V6].every(isPlain)).toBe(true)
  expect(isPlain({ ...V6, kind: 'echo', echo: { identifier: 1, sequence: 2, bytes: new Uint8Array(1) } })).toBe(false)
  expect(isPlain({ ...V4, incoming: true })).toBe(false)
  expect(isPlain({ ...V4, forwarded: { interface: 'guests0' } })).toBe(false)
  expect(isPlain({ ...V6, sockets: [SOCKET, SOCKET] })).toBe(false)
})

test('decisions come out as they went in', () => {
  const decided = (['direct', 'block', 'drop', 'tunnel', 'unreachable'] as const).map(
    (verdict, i) => [2 ** 40 + i, verdict] as const,
  )
  expect(unpackDecided(packDecided(decided))).toEqual(decided)
})

test('a number that is no verdict drops', () => {
  for (const wrong of [-1, 5, Number.NaN]) expect(unpackDecided(new Float64Array([3, wrong]))).toEqual([[3, 'drop']])
})
