import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type ExitFacts, exitRefusal, forbiddenKey } from '../../hub/exit-guard.ts'
import { parseIp, parseRange } from '../../shared/base/ip-address.ts'
import { scopeOf } from '../../shared/base/ip-scope.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'

const ip = (text: string): Uint8Array => parseIp(text) as Uint8Array

const FACTS: ExitFacts = {
  roles: { home: false, relay: false, exit4: true, exit6: true },
  policy: DEFAULT_EXIT_POLICY,
  addressScope: [],
  forbidden: new Set(['9.9.9.9', '2a00:1234::1'].map((text) => forbiddenKey(ip(text)))),
}

describe('the guard of an exit', () => {
  test('lets public addresses pass, on the ports of its policy', () => {
    expect(exitRefusal(FACTS, ip('93.184.216.34'), 443)).toBeUndefined()
    expect(exitRefusal(FACTS, ip('2606:2800:220:1::1'), 80)).toBeUndefined()
    expect(exitRefusal(FACTS, ip('93.184.216.34'), 25)).toBe('policy-refused')
  })

  test('refuses hubs and itself on every port, also in mapped form', () => {
    for (const port of [1, 443, 65535]) {
      expect(exitRefusal(FACTS, ip('9.9.9.9'), port)).toBe('policy-refused')
      expect(exitRefusal(FACTS, ip('2a00:1234::1'), port)).toBe('policy-refused')
    }
    const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 9, 9, 9, 9])
    expect(exitRefusal(FACTS, mapped, 443)).toBe('policy-refused')
  })

  test('judges a mapped address as the IPv4 address that it is', () => {
    const mapped = (...last: number[]): Uint8Array =>
      Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...last])
    expect(exitRefusal(FACTS, mapped(127, 0, 0, 1), 443)).toBe('policy-refused')
    expect(exitRefusal(FACTS, mapped(93, 184, 216, 34), 443)).toBeUndefined()
    const only6 = { ...FACTS, roles: { ...FACTS.roles, exit4: false } }
    expect(exitRefusal(only6, mapped(93, 184, 216, 34), 443)).toBe('family-refused')
  })

  test('says of a family that the exit does not have that it is the family, and of all else that it is not allowed', () => {
    const only4 = { ...FACTS, roles: { ...FACTS.roles, exit6: false } }
    expect(exitRefusal(only4, ip('2606:2800:220:1::1'), 443)).toBe('family-refused')
    expect(exitRefusal(only4, ip('fe80::1'), 443)).toBe('policy-refused')
  })

  test('opens what a test network declares as public, and nothing beside it', () => {
    const test = { ...FACTS, addressScope: [parseRange('198.18.0.0/15') as NonNullable<ReturnType<typeof parseRange>>] }
    expect(exitRefusal(test, ip('198.19.255.255'), 443)).toBeUndefined()
    for (const text of ['198.20.0.0', '198.17.255.255']) expect(exitRefusal(test, ip(text), 443)).toBeUndefined()
    for (const text of ['127.0.0.1', '10.0.0.1', '::1']) expect(exitRefusal(test, ip(text), 443)).toBe('policy-refused')
  })

  test('lets nothing pass that is not public, for any address and port', () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc
        .uint8Array({ minLength: 4, maxLength: 4 })
        .map((last) => Uint8Array.from([...new Uint8Array(10), 255, 255, ...last])),
    )
    fc.assert(
      fc.property(address, fc.integer({ min: 1, max: 65535 }), (bytes, port) => {
        if (exitRefusal(FACTS, bytes, port) !== undefined) return
        const mapped = bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0)
        expect(scopeOf(mapped ? bytes.slice(12) : bytes)).toBe('public')
      }),
      { numRuns: 3000 },
    )
  })
})
