import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type IpAddress, parseIp, parseRange } from '../../../shared/base/ip-address.ts'
import {
  DEFAULT_EXIT_POLICY,
  type ExitPolicy,
  type ExitRule,
  exitPolicyValue,
  policyAllows,
  policyMayAllow,
  readExitRule,
} from '../../../shared/map/exit-policy.ts'
import { exitRuleSchema } from '../../../shared/map/exit-policy-text.ts'
import { ValueReader } from '../../../shared/map/value-reader.ts'

const ip = (text: string): IpAddress => parseIp(text)!
const rules = (...texts: string[]): ExitPolicy => texts.map((text) => exitRuleSchema.parse(text))

describe('an exit policy', () => {
  test('is decided by the first rule that fits address and port', () => {
    const policy = rules(
      'reject 203.0.113.0/24:*',
      'accept 203.0.113.9:80',
      'accept *:80',
      'reject *:*',
      'accept *:443',
    )
    expect(policyAllows(policy, ip('198.51.100.1'), 80)).toBe(true)
    expect(policyAllows(policy, ip('203.0.113.9'), 80)).toBe(false)
    expect(policyAllows(policy, ip('198.51.100.1'), 443)).toBe(false)
    expect(policyAllows(policy, ip('2001:db8::1'), 80)).toBe(true)
  })

  test('rejects what no rule fits, and an empty one rejects everything', () => {
    expect(policyAllows(rules('accept *:80'), ip('9.9.9.9'), 81)).toBe(false)
    expect(policyAllows([], ip('9.9.9.9'), 80)).toBe(false)
    expect(policyMayAllow([], 80)).toBe(false)
  })

  test('takes both ends of its ports', () => {
    const policy = rules('accept *:6881-6889')
    expect([6880, 6881, 6889, 6890].map((port) => policyAllows(policy, ip('9.9.9.9'), port))).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  test('of a family says nothing of the other', () => {
    const policy = rules('accept 0.0.0.0/0:*')
    expect(policyAllows(policy, ip('9.9.9.9'), 80)).toBe(true)
    expect(policyAllows(policy, ip('2001:db8::1'), 80)).toBe(false)
  })

  test('that operators do not write rejects mail relaying, news and file sharing, and accepts the rest', () => {
    const rejected = Array.from({ length: 65_535 }, (_, i) => i + 1).filter(
      (port) => !policyAllows(DEFAULT_EXIT_POLICY, ip('9.9.9.9'), port),
    )
    expect(rejected).toEqual([25, 119, 135, 136, 137, 138, 139, 445, 563])
  })

  test.each([
    [['accept *:80'], 80, true],
    [['accept *:80'], 81, false],
    [['reject *:80', 'accept *:*'], 80, false],
    [['reject 203.0.113.0/24:*', 'accept *:*'], 80, true],
    [['accept 203.0.113.0/24:80', 'reject *:*'], 80, true],
    [['accept 0.0.0.0/0:*'], 443, true],
    [['reject *:*', 'accept 203.0.113.0/24:80'], 80, false],
    [['reject 0.0.0.0/0:*', 'reject [::/0]:*'], 80, false],
  ] as const)('%j may allow a name at port %i: %s', (texts, port, may) => {
    expect(policyMayAllow(rules(...texts), port)).toBe(may)
  })

  test('never allows an address at a port that it says it may not', () => {
    const range = fc.constantFrom('*', '0.0.0.0/0', '203.0.113.0/24', '::/0', '198.51.100.7')
    const ports = fc.constantFrom('*', '80', '1-79', '80-90')
    const rule = fc
      .tuple(fc.constantFrom('accept', 'reject'), range, ports)
      .map(([action, addresses, of]) =>
        exitRuleSchema.parse(`${action} ${addresses.includes('::') ? `[${addresses}]` : addresses}:${of}`),
      )
    const address = fc.constantFrom('203.0.113.5', '198.51.100.7', '9.9.9.9', '2001:db8::1').map(ip)
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), address, fc.constantFrom(79, 80, 81), (policy, to, port) => {
        if (policyAllows(policy, to, port)) expect(policyMayAllow(policy, port)).toBe(true)
      }),
    )
  })
})

describe('an exit rule in a document', () => {
  const read = (policy: ExitPolicy): (ExitRule | undefined)[] =>
    (exitPolicyValue(policy) as never[]).map((value) => readExitRule(new ValueReader(value)))

  test('comes back as it was', () => {
    const policy = rules('accept *:443', 'reject 203.0.113.0/24:1-5', 'accept [2001:db8::/32]:80', 'reject 0.0.0.0/0:*')
    expect(read(policy)).toEqual(policy)
    expect(exitPolicyValue(policy)).toEqual([
      [1, new Uint8Array(0), 0, 443, 443],
      [0, Uint8Array.of(203, 0, 113, 0), 24, 1, 5],
      [1, Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Array(12).fill(0)), 32, 80, 80],
      [0, new Uint8Array(4), 0, 1, 65535],
    ])
  })

  test.each([
    ['an action that is none', [2, new Uint8Array(0), 0, 1, 2]],
    ['a prefix without an address', [1, new Uint8Array(0), 1, 1, 2]],
    ['a prefix that is too long', [1, new Uint8Array(4), 33, 1, 2]],
    ['bits behind its prefix', [1, Uint8Array.of(203, 0, 113, 1), 24, 1, 2]],
    ['a bit behind its prefix, in the same byte', [1, Uint8Array.of(203, 0, 113, 0x80), 24, 1, 2]],
    ['an IPv6 address with a bit behind its prefix', [1, new Uint8Array(16).fill(1, 15), 127, 1, 2]],
    ['an address where all are meant', [1, Uint8Array.of(9, 9, 9, 9), 0, 1, 2]],
    ['an address of 5 bytes', [1, new Uint8Array(5), 8, 1, 2]],
    ['an address of 17 bytes', [1, new Uint8Array(17), 8, 1, 2]],
    ['port 0', [1, new Uint8Array(0), 0, 0, 2]],
    ['ports that end before they begin', [1, new Uint8Array(0), 0, 3, 2]],
    ['a port beyond the last', [1, new Uint8Array(0), 0, 1, 65536]],
    ['a field too few', [1, new Uint8Array(0), 0, 1]],
    ['a field too many', [1, new Uint8Array(0), 0, 1, 2, 3]],
  ])('with %s is refused', (_, value) => {
    expect(readExitRule(new ValueReader(value))).toBeUndefined()
  })
})

describe('an exit rule as text', () => {
  test.each<[string, ExitRule]>([
    ['accept *:443', { action: 'accept', fromPort: 443, toPort: 443 }],
    ['reject *:*', { action: 'reject', fromPort: 1, toPort: 65535 }],
    [' reject *:6881-6889 ', { action: 'reject', fromPort: 6881, toPort: 6889 }],
    ['reject 203.0.113.0/24:*', { action: 'reject', range: parseRange('203.0.113.0/24')!, fromPort: 1, toPort: 65535 }],
    ['accept 203.0.113.7:25', { action: 'accept', range: parseRange('203.0.113.7')!, fromPort: 25, toPort: 25 }],
    ['accept [2001:db8::/32]:80', { action: 'accept', range: parseRange('2001:db8::/32')!, fromPort: 80, toPort: 80 }],
    ['accept [::1]:80', { action: 'accept', range: parseRange('::1')!, fromPort: 80, toPort: 80 }],
  ])('%j is read', (text, rule) => {
    expect(exitRuleSchema.parse(text)).toEqual(rule)
  })

  test.each([
    ...[
      '',
      'accept',
      'accept *',
      'accept *:',
      'allow *:80',
      'accept *:0',
      'accept *:65536',
      'accept *:90-80',
      'accept *:80-',
    ],
    ...[
      'accept *:80,443',
      'accept 203.0.113.1/24:80',
      'accept 2001:db8::1:80',
      'accept [203.0.113.0/24:80',
      'accept  *:80',
    ],
    ...['ACCEPT *:80', 'accept example.com:80', 'accept *:http', 'accept *:-80', 'accept []:80', 'accept 1.2.3:80'],
  ])('%j is not', (text) => {
    expect(exitRuleSchema.safeParse(text).success).toBe(false)
  })
})
