import { describe, expect, test } from '@jest/globals'
import { authorityConfig, clientConfig, parseFingerprint, parseV3Ident, relayConfig } from './tor-config.ts'

const FINGERPRINT = '0123456789ABCDEF0123456789ABCDEF01234567'
const common = {
  ...{ dataFolder: '/tmp/tor', ownerPid: 4711, scheduler: 'default' as const },
  authority: { orPort: 5000, dirPort: 7000, fingerprint: FINGERPRINT, v3Ident: FINGERPRINT },
}

describe('a Tor network', () => {
  test('is named no scheduler by default, and one where it is to be fast', () => {
    for (const make of [
      authorityConfig,
      (of: typeof common) => relayConfig(of, 'relay0', 5001),
      (of: typeof common) => clientConfig(of, { socks: 9050, control: 9051 }),
    ]) {
      expect(make(common)).not.toContain('Schedulers')
      expect(make({ ...common, scheduler: 'vanilla' as never })).toMatch(/^Schedulers Vanilla$/m)
    }
  })

  test('listens on loopback alone', () => {
    const configs = [authorityConfig(common), relayConfig(common, 'relay0', 5001)]
    configs.push(clientConfig(common, { socks: 9050, control: 9051 }))
    const ports = configs.flatMap((text) => text.split('\n')).filter((line) => /^\w+Port /.test(line))
    expect(ports.length).toBeGreaterThan(4)
    expect(ports.filter((line) => !/ (127\.0\.0\.1:\d+\b.*|0)$/.test(line))).toEqual([])
  })
})

describe('fingerprints', () => {
  test('are found in what tor prints', () => {
    const groups = FINGERPRINT.match(/.{4}/g)?.join(' ')
    expect(parseFingerprint(`some notice\nauthority ${groups}\n`)).toBe(FINGERPRINT)
    expect(() => parseFingerprint('authority 0123 4567\n')).toThrow('no fingerprint')
  })

  test('are found in a certificate', () => {
    expect(parseV3Ident(`dir-key-certificate-version 3\nfingerprint ${FINGERPRINT}\ndir-key-published`)).toBe(
      FINGERPRINT,
    )
    expect(() => parseV3Ident('dir-key-certificate-version 3\n')).toThrow('no fingerprint')
  })
})
