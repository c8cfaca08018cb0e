import net from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'
import { equalBytes, parseHex, toHex, utf8 } from '../../../shared/base/bytes.ts'
import {
  formatEndpoint,
  formatIp,
  formatRange,
  normalizeIp,
  parseIp,
  parseRange,
  rangeContains,
} from '../../../shared/base/ip-address.ts'
import { isPublicIp } from '../../../shared/base/ip-scope.ts'
import { endpointSchema } from '../../../shared/base/options.ts'
import { linkMultiaddr, parseLinkMultiaddr } from '../../../shared/link/link-multiaddr.ts'
import { encodeCanonical } from '../../../shared/map/canonical.ts'
import { exitPolicyValue, policyAllows, readExitRule } from '../../../shared/map/exit-policy.ts'
import { exitRuleSchema } from '../../../shared/map/exit-policy-text.ts'
import { ValueReader } from '../../../shared/map/value-reader.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

/** As a program gets texts: what is no UTF-8 arrives replaced. */
const textOf = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

const address: FuzzTarget = {
  name: 'address',
  about: 'an IP address as text',
  maxBytes: 64,
  words: ['::', ':', '.', '0x', '%1', '[', ']', 'ffff', '::ffff:', '0', '255'].map(utf8),
  seeds: () =>
    ['192.0.2.1', '::', '2001:db8::1', '[::1]', '::ffff:192.0.2.1', '::192.0.2.1', 'fe80::1%1', '64:ff9b::1.2.3.4'].map(
      utf8,
    ),
  run(input) {
    const text = textOf(input)
    const read = parseIp(text)
    const bare = /^\[.*:.*\]$/.test(text) ? text.slice(1, -1) : text
    const known = net.isIP(bare) !== 0 && !bare.includes('%')
    promise((read !== undefined) === known, `as Node reads it: ${known ? 'an address' : 'none'}`)
    if (read === undefined) return 'refused'
    promise(equalBytes(normalizeIp(read), read), 'no mapped address is left')
    const again = parseIp(formatIp(read))
    promise(again !== undefined && equalBytes(again, read), 'written and read again')
    promise(net.isIP(formatIp(read)) === (read.length === 4 ? 4 : 6), 'what is written is an address')
    const block = new net.BlockList()
    block.addAddress(bare, net.isIP(bare) === 4 ? 'ipv4' : 'ipv6')
    promise(block.check(formatIp(read), read.length === 4 ? 'ipv4' : 'ipv6'), 'and the same one for Node')
    return `${read.length} ${isPublicIp(read)}`
  },
}

const range: FuzzTarget = {
  name: 'range',
  about: 'a range of addresses, or an endpoint, as text',
  maxBytes: 64,
  words: ['/', '/0', '/128', '/96', '::ffff:', ':443', '[::]'].map(utf8),
  seeds: () =>
    [
      '198.18.0.0/15',
      '0.0.0.0/0',
      '::/0',
      '2001:db8::/32',
      '::ffff:1.2.3.0/120',
      '192.0.2.1:443',
      '[2001:db8::1]:0',
    ].map(utf8),
  run(input) {
    const text = textOf(input)
    const read = parseRange(text)
    if (read !== undefined) {
      const again = parseRange(formatRange(read))
      promise(again !== undefined && formatRange(again) === formatRange(read), 'written and read again')
      promise(rangeContains(read, read.address), 'a range contains its first address')
      promise(read.prefix >= 0 && read.prefix <= read.address.length * 8, 'a prefix is within the address')
      return `range ${read.address.length}`
    }
    const endpoint = endpointSchema.safeParse(text)
    if (!endpoint.success) return 'refused'
    const { ip, port } = endpoint.data
    const again = endpointSchema.safeParse(formatEndpoint(ip, port))
    promise(again.success && equalBytes(again.data.ip, ip) && again.data.port === port, 'written and read again')
    if (port > 0) {
      const back = parseLinkMultiaddr(linkMultiaddr({ ip, port }))
      promise(back !== undefined && equalBytes(back.ip, ip) && back.port === port, 'the same to libp2p')
    }
    return `endpoint ${ip.length}`
  },
}

const exitRule: FuzzTarget = {
  name: 'exit-rule',
  about: 'a rule of an exit policy as operators write it',
  maxBytes: 96,
  words: ['accept ', 'reject ', '*', ':*', '1-65535', '[::/0]'].map(utf8),
  seeds: () =>
    [
      'accept *:443',
      'reject *:6881-6889',
      'reject 203.0.113.0/24:*',
      'accept [2001:db8::/32]:80',
      'reject [::1]:*',
    ].map(utf8),
  run(input) {
    const read = exitRuleSchema.safeParse(textOf(input))
    if (!read.success) return 'refused'
    const [value] = exitPolicyValue([read.data]) as readonly (readonly [])[]
    const back = readExitRule(new ValueReader(value))
    promise(back !== undefined, 'what an operator may write, directories can read')
    promise(
      equalBytes(encodeCanonical(exitPolicyValue([back])), encodeCanonical(exitPolicyValue([read.data]))),
      'as it was meant',
    )
    const some = read.data.range?.address ?? new Uint8Array(4)
    promise(
      policyAllows([read.data], some, read.data.toPort) === (read.data.action === 'accept'),
      'the rule fits its range',
    )
    return `${read.data.action} ${read.data.range?.address.length ?? 'all'}`
  },
}

const multiaddrText: FuzzTarget = {
  name: 'multiaddr',
  about: 'the address of a link as libp2p writes it',
  maxBytes: 128,
  words: ['/ip4/', '/ip6/', '/tcp/', '/tls', '/p2p/', '/ip6zone/a', '/dns4/a'].map(utf8),
  seeds: () =>
    ['/ip4/192.0.2.1/tcp/443/tls', '/ip6/2001:db8::1/tcp/1/tls', '/ip4/1.2.3.4/tcp/0', '/dns4/a/tcp/1/tls'].map(utf8),
  run(input) {
    const known = z.string().safeParse(textOf(input)).data ?? ''
    let parsed: ReturnType<typeof multiaddr>
    try {
      parsed = multiaddr(known)
    } catch {
      return 'no multiaddr'
    }
    const read = parseLinkMultiaddr(parsed)
    if (read === undefined) return 'refused'
    promise(read.port >= 0 && read.port <= 65_535, 'a port has 16 bits')
    const back = parseLinkMultiaddr(linkMultiaddr(read))
    promise(back !== undefined && equalBytes(back.ip, read.ip) && back.port === read.port, 'written and read again')
    return `link ${read.ip.length}`
  },
}

const hexDigits: FuzzTarget = {
  name: 'hex',
  about: 'hexadecimal digits',
  maxBytes: 64,
  seeds: () => ['00ff', 'AB cd', '', '0', 'zz'].map(utf8),
  run(input) {
    const text = textOf(input)
    const read = parseHex(text)
    if (read === undefined) return 'refused'
    promise(toHex(read) === text.toLowerCase(), 'every digit counts')
    return 'read'
  },
}

export const TEXT_TARGETS: readonly FuzzTarget[] = [address, range, exitRule, multiaddrText, hexDigits]
