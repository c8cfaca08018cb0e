import { describe, expect, test } from '@jest/globals'
import { MARK_MASK, MARKS, markFor } from '../../../client/interception/marks.ts'
import { countPackets, findPresent, loadText, removeText } from '../../../client/interception/restore-text.ts'
import { type RuleOptions, rulesOf } from '../../../client/interception/rules.ts'
import { isFault } from '../../../shared/base/fault.ts'
import { type IpFamily, parseRange } from '../../../shared/base/ip-address.ts'

const DIRECT = ['198.19.0.0/24', '2001:db8:d::/64'].map((text) => parseRange(text)!)
const OPTIONS: RuleOptions = { queueNum: 17, redirectPort: 7170, own: { gid: 7117 }, directNetworks: DIRECT }

const KEEP = 'CONNMARK --save-mark --nfmask 0xff00 --ctmask 0xff00'
const RESTORE = 'CONNMARK --restore-mark --nfmask 0xff00 --ctmask 0xff00'

/** Of the listener to guests, and of the kernel to what was refused. */
const ANSWERS = [
  '-m conntrack --ctdir REPLY -m connmark --mark 0x400/0xff00 -j RETURN',
  '-m conntrack --ctstate RELATED --ctdir REPLY ! --ctstatus CONFIRMED -j RETURN',
]

describe('a mark', () => {
  test('keeps the bytes of it that are not ours', () => {
    expect(markFor('tunnel', 0xca6c_12fe)).toBe(0xca6c_04fe)
    expect(markFor('block', 0)).toBe(0x200)
    expect(markFor('unreachable', 0xffff_ffff)).toBe(0xffff_06ff)
  })

  test('of every kind is a value of its own inside our byte', () => {
    const values = Object.values(MARKS)
    expect(new Set(values).size).toBe(values.length)
    for (const value of values) expect(value & ~MARK_MASK).toBe(0)
  })
})

describe('the rules for IPv4', () => {
  const texts = chainsOf(OPTIONS, 4)

  test('judge what programs send, in this order', () => {
    expect(texts.SPN_JUDGE).toEqual([
      '-j MARK --set-xmark 0x0/0xff00', // a mark that the program set itself counts for nothing
      '-s 127.0.0.1 -p udp --sport 7170 -m conntrack --ctdir ORIGINAL -j DROP', // no answers to forgotten flows
      '-s 192.0.0.8 -p udp --sport 7170 -m conntrack --ctdir ORIGINAL -j DROP',
      '-o lo -j RETURN', // loopback is not touched
      ...ANSWERS,
      '-m owner --gid-owner 7117 -j MARK --set-xmark 0x500/0xff00', // the client's own, by the sending socket
      '-m mark --mark 0x500/0xff00 -j RETURN',
      `-j ${RESTORE}`, // judged before
      '-p tcp --syn -m conntrack --ctdir ORIGINAL -m mark --mark 0x100/0xff00 -j MARK --set-xmark 0x800/0xff00',
      '-p tcp --syn -m mark --mark 0x800/0xff00 -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17', // a new one
      '-m mark --mark 0x100/0xff00 -j RETURN',
      '-m mark --mark 0x400/0xff00 -j RETURN',
      '-p tcp --tcp-flags SYN NONE -m mark --mark 0x500/0xff00 -j RETURN', // the rest of an own connection
      '-j MARK --set-xmark 0x0/0xff00', // a value that is not ours, or not to be inherited
      '-p udp --sport 68 --dport 67 -j MARK --set-xmark 0x700/0xff00', // DHCP
      '-m mark --mark 0x700/0xff00 -j RETURN',
      '-d 198.19.0.0/24 -j MARK --set-xmark 0x700/0xff00', // direct networks
      '-m mark --mark 0x700/0xff00 -j RETURN',
      '-p tcp -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17', // without bypass: no reader, no traffic
      '-p udp -m conntrack --ctstate ESTABLISHED -j MARK --set-xmark 0x800/0xff00', // older than the rules
      '-p udp -m addrtype --dst-type UNICAST -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17',
      '-p icmp --icmp-type 8 -m addrtype --dst-type UNICAST -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17',
    ])
  })

  test('act on the mark, and end in a drop', () => {
    expect(texts.SPN_OUTPUT).toEqual([
      '-m mark --mark 0x400/0xff00 -g SPN_KEEP',
      '-o lo -j RETURN', // before anything is kept: a reset that we made must leave no mark on its connection
      ...ANSWERS,
      '-m mark --mark 0x500/0xff00 -g SPN_KEEP',
      '-m mark --mark 0x100/0xff00 -g SPN_KEEP',
      '-m mark --mark 0x700/0xff00 -g SPN_KEEP',
      '-p tcp -m mark --mark 0x200/0xff00 -j REJECT --reject-with tcp-reset',
      '-m mark --mark 0x200/0xff00 -j REJECT --reject-with icmp-admin-prohibited',
      '-m mark --mark 0x600/0xff00 -j REJECT --reject-with icmp-host-unreachable',
      ...['tcp', 'udp', 'icmp'].map((protocol) => `-p ${protocol} -j DROP`), // not judged, or judged so
      '-m comment --comment other-protocol -j REJECT --reject-with icmp-admin-prohibited',
      '-j DROP',
    ])
    expect(texts.SPN_KEEP).toEqual([`-j ${KEEP}`])
  })

  test('judge what guests send like that of programs, but nothing of it is the client’s own', () => {
    const [local, forwarded] = [texts.SPN_JUDGE ?? [], texts.SPN_FORWARDED ?? []]
    expect(forwarded.slice(0, 10)).toEqual([
      '-j MARK --set-xmark 0x0/0xff00',
      '-i lo -j RETURN',
      '-m addrtype --dst-type LOCAL -j RETURN', // for this computer: INPUT decides
      '-m rpfilter --invert -j DROP', // from where its sender is not
      `-j ${RESTORE}`,
      '-m mark --mark 0x100/0xff00 -j RETURN',
      '-m mark --mark 0x400/0xff00 -j RETURN',
      '-m conntrack --ctdir REPLY -m mark --mark 0x700/0xff00 -j RETURN', // answers need no verdict
      '-j MARK --set-xmark 0x0/0xff00',
      '-m mark --mark 0x700/0xff00 -j RETURN',
    ])
    expect(forwarded.slice(9)).toEqual(local.slice(1 - forwarded.slice(9).length - 1))
    expect(forwarded.join()).not.toMatch(/0x500|owner/)
  })

  test('let pass of guests what is direct, and end in a drop', () => {
    expect(texts.SPN_FORWARD).toEqual([
      '-m mark --mark 0x100/0xff00 -g SPN_KEEP',
      '-m mark --mark 0x700/0xff00 -g SPN_KEEP',
      '-m conntrack --ctdir REPLY -m connmark --mark 0x100/0xff00 -j RETURN',
      '-m conntrack --ctdir REPLY -m connmark --mark 0x700/0xff00 -j RETURN',
      '-p tcp -m mark --mark 0x200/0xff00 -j REJECT --reject-with tcp-reset',
      '-m mark --mark 0x200/0xff00 -j REJECT --reject-with icmp-admin-prohibited',
      '-m mark --mark 0x600/0xff00 -j REJECT --reject-with icmp-host-unreachable',
      ...['tcp', 'udp', 'icmp'].map((protocol) => `-p ${protocol} -j DROP`), // not judged, or judged so
      '-m comment --comment other-protocol -j DROP', // not refused: outside nobody gets answers
      '-j DROP',
    ])
  })

  test('let in what belongs to something judged, and end in a drop', () => {
    expect(texts.SPN_INPUT).toEqual([
      '-i lo -j RETURN',
      '-m mark --mark 0x400/0xff00 -g SPN_KEEP', // of guests, led to the listener
      '-m connmark --mark 0x500/0xff00 -j RETURN',
      '-m connmark --mark 0x100/0xff00 -j RETURN',
      '-m connmark --mark 0x700/0xff00 -j RETURN',
      '-p udp --sport 67 --dport 68 -j RETURN',
      '-s 198.19.0.0/24 -j RETURN',
      '-p tcp --tcp-flags SYN NONE -j RETURN', // so that connections from before learn at once that they are over
      '-j DROP',
    ])
  })

  test('lead nothing to a listener that is not there any more', () => {
    const abandoned = chainsOf({ ...OPTIONS, abandoned: true }, 4)
    const nobody = [
      '-p tcp -m mark --mark 0x400/0xff00 -j REJECT --reject-with tcp-reset',
      '-m mark --mark 0x400/0xff00 -j DROP',
    ]
    expect(abandoned.SPN_OUTPUT).toEqual([...nobody, ...(texts.SPN_OUTPUT?.slice(1) ?? [])])
    expect(abandoned.SPN_INPUT).toEqual(['-i lo -j RETURN', ...nobody, ...(texts.SPN_INPUT?.slice(2) ?? [])])
  })

  test('redirect tunnelled flows, which may leave by no other way', () => {
    expect(texts.SPN_REDIRECT).toEqual([
      '-p tcp -m mark --mark 0x400/0xff00 -j REDIRECT --to-ports 7170',
      '-p udp -m mark --mark 0x400/0xff00 -j REDIRECT --to-ports 7170',
    ])
    expect(texts.SPN_GUESTS).toEqual([
      '-p tcp -m mark --mark 0x400/0xff00 -j DNAT --to-destination 192.0.0.8:7170',
      '-p udp -m mark --mark 0x400/0xff00 -j DNAT --to-destination 192.0.0.8:7170',
    ])
    expect(texts.SPN_GUARD).toEqual([
      '-o lo -j RETURN',
      '-m mark --mark 0x400/0xff00 -j DROP',
      ...[0x500, 0x100, 0x700, 0x900].map((mark) => `-m mark --mark 0x${mark.toString(16)}/0xff00 -j RETURN`),
      ...ANSWERS,
      '-d 198.19.0.0/24 -j RETURN',
      '-j DROP',
    ])
  })
})

describe('questions for names', () => {
  const resolvers = [parseRange('198.19.0.53/32')!, parseRange('2001:db8:d::53/128')!]
  const judge = (directResolvers?: typeof resolvers) => chainsOf({ ...OPTIONS, directResolvers }, 4).SPN_JUDGE ?? []

  test('are judged before direct networks are let pass, and after the resolvers that may be asked', () => {
    const rules = judge(resolvers)
    const added = rules.filter((rule) => !judge().includes(rule))
    expect(added).toEqual([
      '-d 198.19.0.53/32 -p tcp --dport 53 -j MARK --set-xmark 0x700/0xff00',
      '-d 198.19.0.53/32 -p udp --dport 53 -j MARK --set-xmark 0x700/0xff00',
      '-p tcp --dport 53 -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17',
      '-p udp --dport 53 -m conntrack --ctstate ESTABLISHED -j MARK --set-xmark 0x800/0xff00',
      '-p udp --dport 53 -m addrtype --dst-type UNICAST -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17',
    ])
    const at = (text: string) => rules.findIndex((rule) => rule.startsWith(text))
    const order = ['-d 198.19.0.53/32', '-m mark --mark 0x700', '-p tcp --dport 53', '-d 198.19.0.0/24', '-p tcp -m']
    expect(order.map(at).toSorted((a, b) => a - b)).toEqual(order.map(at))
  })

  test('are like everything else without a resolver of ours', () => {
    expect(judge().join()).not.toContain('--dport 53')
  })
})

test('what is sent in the name of others belongs to no connection, and only the client sends them', () => {
  expect(chainsOf(OPTIONS, 4).SPN_UNTRACKED).toEqual([
    '-m owner --gid-owner 7117 -m addrtype ! --src-type LOCAL -j CT --notrack',
  ])
})

describe('the rules for IPv6', () => {
  const texts = chainsOf(OPTIONS, 6)

  test('differ from those for IPv4 by discovery, ports of DHCP, networks and the names of errors only', () => {
    const difference = (chain: string) => ({
      more: texts[chain]?.filter((rule) => !chainsOf(OPTIONS, 4)[chain]?.includes(rule)),
      less: chainsOf(OPTIONS, 4)[chain]?.filter((rule) => !texts[chain]?.includes(rule)),
    })
    expect(difference('SPN_JUDGE')).toEqual({
      more: [
        '-s ::1 -p udp --sport 7170 -m conntrack --ctdir ORIGINAL -j DROP',
        '-s 100::8 -p udp --sport 7170 -m conntrack --ctdir ORIGINAL -j DROP',
        ...[133, 134, 135, 136, 143].map((type) => `-p icmpv6 --icmpv6-type ${type} -j MARK --set-xmark 0x700/0xff00`),
        '-p udp --sport 546 --dport 547 -j MARK --set-xmark 0x700/0xff00',
        '-d 2001:db8:d::/64 -j MARK --set-xmark 0x700/0xff00',
        '-p icmpv6 --icmpv6-type 128 -m addrtype --dst-type UNICAST -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17',
      ],
      less: [
        '-s 127.0.0.1 -p udp --sport 7170 -m conntrack --ctdir ORIGINAL -j DROP',
        '-s 192.0.0.8 -p udp --sport 7170 -m conntrack --ctdir ORIGINAL -j DROP',
        '-p udp --sport 68 --dport 67 -j MARK --set-xmark 0x700/0xff00',
        '-d 198.19.0.0/24 -j MARK --set-xmark 0x700/0xff00',
        '-p icmp --icmp-type 8 -m addrtype --dst-type UNICAST -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17',
      ],
    })
    expect(difference('SPN_FORWARDED').more).toEqual([
      '-d fe80::/10 -j RETURN',
      '-d 2001:db8:d::/64 -j MARK --set-xmark 0x700/0xff00',
      '-p icmpv6 --icmpv6-type 128 -m addrtype --dst-type UNICAST -m conntrack ! --ctstate INVALID -j NFQUEUE --queue-num 17',
    ])
    expect(difference('SPN_GUESTS').more).toEqual(
      ['tcp', 'udp'].map((p) => `-p ${p} -m mark --mark 0x400/0xff00 -j DNAT --to-destination [100::8]:7170`),
    )
    expect(difference('SPN_INPUT')).toEqual({
      more: [
        ...[130, 133, 134, 135, 136].map((type) => `-p icmpv6 --icmpv6-type ${type} -j RETURN`),
        '-p udp --sport 547 --dport 546 -j RETURN',
        '-s 2001:db8:d::/64 -j RETURN',
      ],
      less: ['-p udp --sport 67 --dport 68 -j RETURN', '-s 198.19.0.0/24 -j RETURN'],
    })
    expect(difference('SPN_OUTPUT').more).toEqual([
      '-m mark --mark 0x200/0xff00 -j REJECT --reject-with icmp6-adm-prohibited',
      '-m mark --mark 0x600/0xff00 -j REJECT --reject-with icmp6-addr-unreachable',
      '-p icmpv6 -j DROP',
      '-m comment --comment other-protocol -j REJECT --reject-with icmp6-adm-prohibited',
    ])
    expect(difference('SPN_GUARD')).toEqual({
      more: ['-d 2001:db8:d::/64 -j RETURN'],
      less: ['-d 198.19.0.0/24 -j RETURN'],
    })
    for (const chain of ['SPN_KEEP', 'SPN_REDIRECT', 'SPN_UNTRACKED']) {
      expect(difference(chain)).toEqual({ more: [], less: [] })
    }
  })
})

describe('the options of the rules', () => {
  test('may name a cgroup instead of a group', () => {
    const own = { cgroup: 'system.slice/spn.service' }
    expect(chainsOf({ ...OPTIONS, own }, 4).SPN_JUDGE).toContain(
      '-m cgroup --path system.slice/spn.service -j MARK --set-xmark 0x500/0xff00',
    )
  })

  test.each<[string, Partial<RuleOptions>]>([
    ['own.gid', { own: { gid: 0 } }],
    ['own.gid', { own: { gid: 1.5 } }],
    ['own.cgroup', { own: { cgroup: '' } }],
    ['own.cgroup', { own: { cgroup: '/spn.service' } }],
    ['own.cgroup', { own: { cgroup: 'spn -j ACCEPT' } }],
    ['own.cgroup', { own: { cgroup: 'spn\n-A OUTPUT -j ACCEPT' } }],
    ['queueNum', { queueNum: 65_536 }],
    ['redirectPort', { redirectPort: 0 }],
    ['directNetworks', { directNetworks: [parseRange('0.0.0.0/0')!] }],
    ['directNetworks', { directNetworks: [parseRange('::/0')!] }],
    ['directResolvers', { directResolvers: [parseRange('::/0')!] }],
  ])('with a wrong %s are refused', (option, wrong) => {
    try {
      rulesOf({ ...OPTIONS, ...wrong }, 4)
      throw new Error('accepted')
    } catch (error) {
      expect(isFault(error, 'options-invalid') && error.details.mistakes).toContain(`${option}: `)
    }
  })
})

const FOREIGN = `# Generated by iptables-save
*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [12:3456]
:MY_SPN_CHAIN - [0:0]
-A OUTPUT -j MY_SPN_CHAIN
-A OUTPUT -m comment --comment "not -j SPN_OUTPUT" -j ACCEPT
COMMIT
`
const LEFTOVERS = `${FOREIGN}*mangle
:OUTPUT ACCEPT [0:0]
:SPN_JUDGE - [0:0]
:SPN_OLD - [0:0]
-A OUTPUT -j SPN_JUDGE
-A OUTPUT -m comment --comment old -j SPN_OLD
-A OUTPUT -j SPN_JUDGE
-A SPN_JUDGE -o lo -j RETURN
-A SPN_JUDGE -j SPN_OLD
COMMIT
`

describe('loading', () => {
  test('on a clean computer makes the chains, calls them first of all, and fills them', () => {
    const text = loadText(rulesOf(OPTIONS, 4), findPresent(FOREIGN))
    expect(text.match(/^\*\w+$/gm)).toEqual(['*filter', '*nat', '*raw', '*mangle'])
    expect(text.match(/^COMMIT$/gm)).toHaveLength(4)
    expect(text).not.toMatch(/^-[DFX] /m)
    expect(text.split('\n').slice(0, 10)).toEqual([
      '*filter',
      ':SPN_OUTPUT - [0:0]',
      ':SPN_FORWARD - [0:0]',
      ':SPN_INPUT - [0:0]',
      ':SPN_KEEP - [0:0]',
      '-I OUTPUT 1 -j SPN_OUTPUT',
      '-I FORWARD 1 -j SPN_FORWARD',
      '-I INPUT 1 -j SPN_INPUT',
      '-A SPN_OUTPUT -m mark --mark 0x400/0xff00 -g SPN_KEEP',
      '-A SPN_OUTPUT -o lo -j RETURN',
    ])
  })

  test('over leftovers replaces every jump in the same step, and takes chains out that are not used any more', () => {
    const text = loadText(rulesOf(OPTIONS, 4), findPresent(LEFTOVERS))
    const mangle = text.slice(text.indexOf('*mangle')).split('\n')
    expect(mangle.slice(0, 11)).toEqual([
      '*mangle',
      ':SPN_JUDGE - [0:0]',
      ':SPN_FORWARDED - [0:0]',
      ':SPN_GUARD - [0:0]',
      ':SPN_INCOMING - [0:0]',
      '-D OUTPUT -j SPN_JUDGE',
      '-D OUTPUT -m comment --comment old -j SPN_OLD',
      '-D OUTPUT -j SPN_JUDGE',
      '-I OUTPUT 1 -j SPN_JUDGE',
      '-I PREROUTING 1 -j SPN_FORWARDED',
      '-I POSTROUTING 1 -j SPN_GUARD',
    ])
    expect(mangle.slice(-4)).toEqual(['-F SPN_OLD', '-X SPN_OLD', 'COMMIT', ''])
  })
})

test('packets are counted by the comment of rules of ours alone', () => {
  const saved = `*filter
[7:420] -A SPN_OUTPUT -m comment --comment other-protocol -j REJECT --reject-with icmp-admin-prohibited
[5:99] -A SPN_FORWARD -m comment --comment "other-protocol" -j REJECT --reject-with icmp-admin-prohibited
[100:99] -A SPN_FORWARD -m comment --comment other-protocols -j DROP
[1000:99] -A OUTPUT -m comment --comment other-protocol -j DROP
`
  expect(countPackets(saved, 'other-protocol')).toBe(12)
})

describe('removing', () => {
  test('has nothing to do where nothing is ours, whatever it looks like', () => {
    expect(removeText(findPresent(FOREIGN))).toBeUndefined()
    expect(removeText(findPresent(''))).toBeUndefined()
  })

  test('takes out all jumps and chains of ours, and nothing else', () => {
    expect(removeText(findPresent(LEFTOVERS))).toBe(`*mangle
-D OUTPUT -j SPN_JUDGE
-D OUTPUT -m comment --comment old -j SPN_OLD
-D OUTPUT -j SPN_JUDGE
-F SPN_JUDGE
-F SPN_OLD
-X SPN_JUDGE
-X SPN_OLD
COMMIT
`)
  })
})

/** The rules by chain, without the `-A CHAIN` in front. */
function chainsOf(options: RuleOptions, family: IpFamily): Readonly<Record<string, string[]>> {
  const chains: Record<string, string[]> = {}
  for (const rule of rulesOf(options, family).flatMap(({ rules }) => rules)) {
    const [, chain, rest] = /^-A (\S+) (.*)$/.exec(rule) ?? []
    const list = chains[chain ?? ''] ?? []
    chains[chain ?? ''] = list
    list.push(rest ?? '')
  }
  return chains
}
