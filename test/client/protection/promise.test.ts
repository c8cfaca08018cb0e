import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { MARKS } from '../../../client/interception/marks.ts'
import { type RuleOptions, rulesOf } from '../../../client/interception/rules.ts'
import { exemptions, guestExemptions, type Opening } from '../../../client/protection/exemptions.ts'
import { guardText } from '../../../client/protection/guard-text.ts'
import { ALLOWANCES, PROMISES } from '../../../client/protection/promise.ts'
import { parseIp, parseRange } from '../../../shared/base/ip-address.ts'

const OPTIONS: RuleOptions = {
  ...{ queueNum: 17, redirectPort: 7170, own: { gid: 7117 } },
  directNetworks: [parseRange('198.19.0.0/24')!],
}
const UNTIL = Date.UTC(2026, 10, 23, 15, 0, 59, 999)

describe('the promise', () => {
  test('stands in SECURITY.md as it is here', () => {
    const rows = Object.entries(PROMISES).map(([state, { when, mayLeave }]) => {
      const kinds = mayLeave.map((name) => ALLOWANCES[name]).join('; ')
      return `| ${state}: ${when} | ${kinds} |`
    })
    const table = ['| state | what may leave |', '|---|---|', ...rows].join('\n')
    expect(readFileSync('SECURITY.md', 'utf8')).toContain(`\n\n${table}\n\n`)
  })

  test('opens everything in two states only, and the client itself speaks in none that it does not run in', () => {
    const states = Object.entries(PROMISES)
    const open = states.filter(([, { mayLeave }]) => (mayLeave as readonly string[]).includes('everything'))
    expect(open.map(([state]) => state)).toEqual(['off', 'paused'])
    expect(PROMISES.killed.mayLeave).not.toContain('own')
  })
})

describe('the rules', () => {
  /** What gets a mark with which a packet may leave, without asking. */
  function passes(family: 4 | 6, openings: readonly Opening[] = []): string[] {
    const rules = rulesOf({ ...OPTIONS, openings }, family).flatMap((table) => table.rules)
    const marks = [MARKS.exempt, MARKS.own, MARKS.direct, MARKS.opened].map(
      (mark) => `--set-xmark 0x${mark.toString(16)}/0xff00`,
    )
    return rules.flatMap((rule) => {
      const mark = marks.find((one) => rule.endsWith(one))
      return mark === undefined ? [] : [rule.replace(/^-A \S+ /, '').replace(` -j MARK ${mark}`, '')]
    })
  }

  test('let pass what the promise names, and nothing else', () => {
    // Direct networks twice: for programs, and for guests.
    const direct = ['-d 198.19.0.0/24', '-d 198.19.0.0/24']
    expect(passes(4)).toEqual(['-m owner --gid-owner 7117', '-p udp --sport 68 --dport 67', ...direct])
    expect(passes(6)).toEqual([
      '-m owner --gid-owner 7117',
      ...[133, 134, 135, 136, 143].map((type) => `-p icmpv6 --icmpv6-type ${type}`),
      '-p udp --sport 546 --dport 547',
    ])
  })

  test('of a pause let everything out and in, until its end', () => {
    const time = '-m time --datestop 2026-11-23T15:00:58'
    for (const family of [4, 6] as const) {
      const { out, into } = exemptions(family, [{ kind: 'everything', untilMs: UNTIL }])
      expect([out.at(-1), into.at(-1)]).toEqual([time, time])
      expect(passes(family, [{ kind: 'everything', untilMs: UNTIL }])).toContain(time)
    }
  })

  test('of a pause let guests out and in, and keep nothing of it that would pass after its end', () => {
    const time = '-m time --datestop 2026-11-23T15:00:58'
    const pause = [{ kind: 'everything', untilMs: UNTIL }] as const
    const rulesWith = (openings: readonly Opening[]) =>
      rulesOf({ ...OPTIONS, openings }, 4).flatMap(({ rules }) => rules)
    const more = rulesWith(pause).filter((rule) => !rulesWith([]).includes(rule) && /FORWARD/.test(rule))
    expect(more).toEqual([
      `-A SPN_FORWARD ${time} -m mark --mark 0x900/0xff00 -g SPN_KEEP`,
      `-A SPN_FORWARD ${time} -m conntrack --ctdir REPLY -m connmark --mark 0x900/0xff00 -j RETURN`,
      `-A SPN_FORWARDED ${time} -j MARK --set-xmark 0x900/0xff00`,
      '-A SPN_FORWARDED -m mark --mark 0x900/0xff00 -j RETURN',
    ])
  })

  test('of a portal let out web pages of its addresses and questions to the resolvers, and nothing in', () => {
    const addresses = ['203.0.113.7', '2001:db8::7'].map((text) => parseIp(text)!)
    const opening: Opening = { kind: 'portal', untilMs: UNTIL, addresses, resolvers: [parseIp('192.0.2.53')!] }
    const time = '-m time --datestop 2026-11-23T15:00:58'
    const more = (family: 4 | 6) => exemptions(family, [opening]).out.slice(exemptions(family, []).out.length)
    expect(more(4)).toEqual([
      `-d 203.0.113.7 -p tcp --dport 80 ${time}`,
      `-d 203.0.113.7 -p tcp --dport 443 ${time}`,
      `-d 192.0.2.53 -p udp --dport 53 ${time}`,
      `-d 192.0.2.53 -p tcp --dport 53 ${time}`,
    ])
    expect(more(6)).toEqual([80, 443].map((port) => `-d 2001:db8::7 -p tcp --dport ${port} ${time}`))
    expect(exemptions(4, [opening]).into).toEqual(exemptions(4, []).into)
    for (const family of [4, 6] as const) expect(guestExemptions(family, [opening])).toEqual(more(family))
  })
})

describe('the guard', () => {
  const rulesIn = (text: string): string[] =>
    text.split('; ').flatMap((line) => /^add rule inet spn_guard (.*)$/.exec(line)?.[1] ?? [])

  test('takes marks away before it lets pass what has one, and lets tunnelled packets nowhere but to loopback', () => {
    const text = guardText(rulesOf(OPTIONS, 4))
    expect(rulesIn(text)).toEqual([
      'forget meta mark set meta mark and 0xffff00ff',
      'last ct direction reply ct mark and 0xff00 == 0x400 accept',
      'last ct state related ct direction reply ct status and confirmed == 0 accept',
      'last oifname != "lo" meta mark and 0xff00 != { 0x100, 0x500, 0x700, 0x900, 0x400 } counter drop',
      'pass ct direction reply ct mark and 0xff00 == { 0x100, 0x700, 0x900 } accept',
      'pass oifname != "lo" meta mark and 0xff00 != { 0x100, 0x500, 0x700, 0x900, 0x400 } counter drop',
      'leave oifname != "lo" meta mark and 0xff00 == 0x400 counter drop',
    ])
    expect(text).not.toContain('\n')
  })

  test('stands behind the rules for forwarded packets, where there are some', () => {
    const forward = {
      table: 'filter',
      chains: [],
      jumps: [{ hook: 'FORWARD', chain: 'SPN_FORWARD' }],
      rules: [],
    } as const
    const more = rulesIn(guardText([forward])).filter((rule) => !rulesIn(guardText([])).includes(rule))
    expect(more).toEqual([
      'pass ct direction reply ct mark and 0xff00 == { 0x100, 0x700, 0x900 } accept',
      'pass oifname != "lo" meta mark and 0xff00 != { 0x100, 0x500, 0x700, 0x900, 0x400 } counter drop',
    ])
  })
})
