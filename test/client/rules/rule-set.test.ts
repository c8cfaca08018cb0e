import { describe, expect, test } from '@jest/globals'
import { DestinationList } from '../../../client/rules/destination-list.ts'
import { type AppFacts, type FlowFacts, flowScope } from '../../../client/rules/flow-facts.ts'
import { stillAllowed, type Verdict } from '../../../client/rules/rule.ts'
import { noRules, RuleSet } from '../../../client/rules/rule-set.ts'
import type { IpAddress } from '../../../shared/base/ip-address.ts'
import { type Locator, NOWHERE } from '../../../shared/geo/locator.ts'
import type { Location } from '../../../shared/geo/place.ts'
import { cheapRandom } from '../../fuzz/chance.ts'
import { ip, TOKYO, VIENNA } from '../../support/geo-fixtures.ts'
import { plainJudge } from '../../support/plain-judge.ts'
import { rulesOfText } from '../../support/plain-rules.ts'

/** 93.… is in Vienna, AS 64500; 203.… in Tokyo, of no known AS. Counts the questions. */
class TestLocator implements Locator {
  asked = 0

  locate(address: IpAddress): Location | undefined {
    this.asked++
    if (address[0] === 93) return { place: VIENNA, asn: 64500 }
    return address[0] === 203 ? { place: TOKYO, asn: 0 } : undefined
  }
}

const ADS = new DestinationList(new Set(['ads.example']), [{ address: ip('94.0.0.0'), prefix: 8 }])
const LISTS = new Map([['ads', ADS]])

function rules(text: string, locator: Locator = new TestLocator()): RuleSet {
  return new RuleSet(rulesOfText(text), { lists: LISTS, locator, userIds: new Map([['alice', 1000]]) })
}

const globalRules = (...list: string[]): RuleSet =>
  rules(`lists: { ads: x }\nglobal:\n  rules:\n${list.map((rule) => `    - ${JSON.stringify(rule)}\n`).join('')}`)

function flow(destination: string, more: Partial<FlowFacts> = {}): FlowFacts {
  const address = /^[\d.]+$|:/.test(destination) ? ip(destination) : undefined
  const named = address === undefined ? { name: destination, nameGiven: true } : { address }
  return { direction: 'out', protocol: 'tcp', port: 443, ...named, scope: flowScope(address), ...more } as FlowFacts
}

const by = (app: AppFacts): Partial<FlowFacts> => ({ app })
const CURL = by({ path: '/usr/bin/curl', uid: 1000 })

describe('the rules of a list', () => {
  test.each<[string, FlowFacts, boolean]>([
    ['*', flow('93.0.0.1'), true],
    ['93.0.0.1', flow('93.0.0.1'), true],
    ['93.0.0.1', flow('93.0.0.2'), false],
    ['93.0.0.1', flow('a.example'), false],
    ['93.0.0.0/8', flow('93.1.2.3'), true],
    ['2001:db8::/32', flow('2001:db8::1'), true],
    ['2001:db8::/32', flow('93.0.0.1'), false],
    ['AT', flow('93.0.0.1'), true],
    ['C:AT', flow('203.0.0.1'), false],
    ['C:AT', flow('a.example'), false],
    ['C:EU', flow('93.0.0.1'), true],
    ['C:AS', flow('203.0.0.1'), true],
    ['C:AS', flow('8.8.8.8'), false],
    ['AS64500', flow('93.0.0.1'), true],
    ['AS64500', flow('203.0.0.1'), false],
    ['public', flow('93.0.0.1'), true],
    ['Internet', flow('a.example'), true],
    ['LAN', flow('192.168.1.1'), true],
    ['LAN', flow('169.254.1.1'), true],
    ['LAN', flow('127.0.0.1'), false],
    ['loopback', flow('::1'), true],
    ['link-local', flow('fe80::1'), true],
    ['private', flow('fd00::1'), true],
    ['multicast', flow('224.0.0.251'), true],
    ['reserved', flow('192.0.2.1'), true],
    ['LAN,loopback', flow('127.0.0.1'), true],
    ['L:ads', flow('x.ads.example'), true],
    ['L:ads', flow('94.1.1.1'), true],
    ['L:ads', flow('93.1.1.1'), false],
    ['L:ads', flow('93.1.1.1', { name: 'ads.example' }), true],
    ['example.com', flow('example.com'), true],
    ['example.com', flow('www.example.com'), false],
    ['.example.com', flow('example.com'), true],
    ['.example.com', flow('a.b.example.com'), true],
    ['.example.com', flow('badexample.com'), false],
    ['.com', flow('example.com'), true],
    ['*.example.com', flow('www.example.com'), true],
    ['*.example.com', flow('example.com'), false],
    ['*example*', flow('an-example.org'), true],
    ['*example*', flow('93.0.0.1'), false],
    ['example.com', flow('93.0.0.1', { name: 'example.com' }), true],
    ['* TCP', flow('93.0.0.1'), true],
    ['* UDP', flow('93.0.0.1'), false],
    ['* ICMP', flow('93.0.0.1', { protocol: 'icmp', port: 0 }), true],
    ['* OTHER', flow('93.0.0.1', { protocol: 'other', port: 0 }), true],
    ['* TCP/443', flow('93.0.0.1'), true],
    ['* TCP/80', flow('93.0.0.1'), false],
    ['* TCP/443-444', flow('93.0.0.1', { port: 444 }), true],
    ['* TCP/443-444', flow('93.0.0.1', { port: 445 }), false],
    ['* */443', flow('93.0.0.1', { protocol: 'udp' }), true],
    ['* */443', flow('93.0.0.1', { protocol: 'icmp', port: 0 }), false],
    ['.example.com TCP/80', flow('example.com'), false],
  ])('%s', (where, facts, fits) => {
    expect(globalRules(`- ${where}`).judge(facts).verdict).toBe(fits ? 'block' : 'tunnel')
  })

  test('count in their order: the first that fits decides, whatever it is by', () => {
    const set = globalRules('- AS64500', '+ .example.com', 'drop www.example.com', 'direct *')
    const lineOf = (facts: FlowFacts): string => set.judge(facts).rule.place
    expect(lineOf(flow('www.example.com'))).toBe('r.yaml:5')
    expect(lineOf(flow('93.0.0.1', { name: 'www.example.com' }))).toBe('r.yaml:4')
    expect(lineOf(flow('203.0.0.1', { name: 'www.example.com' }))).toBe('r.yaml:5')
    expect(lineOf(flow('203.0.0.1'))).toBe('r.yaml:7')
  })

  test('say what was decided, by which rule, where it stands and why', () => {
    expect(globalRules('+ a.b', '- C:EU').judge(flow('93.0.0.1'))).toEqual({
      ...{ verdict: 'block', wish: {}, layer: 'global', why: 'the first rule for all that fits' },
      rule: { text: '- C:EU', place: 'r.yaml:5' },
    })
    expect(globalRules('- C:EU').judge(flow('203.0.0.1'))).toEqual({
      ...{ verdict: 'tunnel', wish: {}, layer: 'global', why: 'no rule fits, and this is the default for all' },
      rule: { text: 'default: tunnel', place: 'r.yaml' },
    })
  })

  test('give wishes', () => {
    const set = rules(
      'global:\n  rules:\n    - { to: a.b, verdict: tunnel, hops: 1, avoid: C:EU }\n  default: { verdict: tunnel, hops: 4 }',
    )
    expect(set.judge(flow('a.b')).wish).toEqual({ hops: 1, avoid: [{ kind: 'continent', continent: 'EU' }] })
    expect(set.judge(flow('c.d')).wish).toEqual({ hops: 4 })
  })

  test('ask where an address is at most once for a flow, and not at all if no rule needs it', () => {
    const locator = new TestLocator()
    const list = ['- a.b', '- 10.0.0.0/8', '- C:EU', '- C:DE', '- AS1', '- *']
    const set = rules(`global:\n  rules:\n${list.map((rule) => `    - "${rule}"\n`).join('')}`, locator)
    set.judge(flow('a.b'))
    set.judge(flow('10.1.1.1'))
    expect(locator.asked).toBe(0)
    expect(set.judge(flow('203.0.0.1')).verdict).toBe('block')
    expect(locator.asked).toBe(1)
  })

  test('that nobody can decide are told', () => {
    const set = globalRules('- C:EU', '- 1.0.0.0/8 UDP', '- AS5 TCP/443', '+ a.b', '- L:ads')
    const open = (facts: FlowFacts): string[] => set.undecided(facts).map(({ rule }) => rule.text)
    expect(open(flow('a.b'))).toEqual(['- C:EU', '- AS5 TCP/443'])
    expect(open(flow('c.d'))).toEqual(['- C:EU', '- AS5 TCP/443', '- L:ads'])
    expect(open(flow('93.0.0.1'))).toEqual([])
    expect(open(flow('8.8.8.8'))).toEqual(['- C:EU', '- AS5 TCP/443'])
  })
})

describe('whose rules count', () => {
  const LAYERS = `
apps:
  - app: /usr/bin/curl
    user: root
    rules: "- root.example"
  - app: /usr/bin/curl
    rules: |
      - own.example
      direct both.example
    default: direct
  - app: "*/curl*"
    rules: "- *"
  - { unit: "ssh*.service", default: drop }
  - { user: alice, rules: "- alice.example" }
  - { user: 1001, default: block }
  - { container: "ab*", default: block }
  - { tag: "flatpak:*", default: block }
  - { script: "/opt/*.py", app: "/usr/bin/python3*", default: block }
  - { interface: docker*, default: direct }
strict:
  rules: "+ known.example"
global:
  rules: |
    - both.example
    - everywhere.example
  default: tunnel
`
  const set = rules(LAYERS)
  test.each<[string, string, Partial<FlowFacts>, Verdict, string]>([
    ['an app has its own', 'own.example', CURL, 'block', 'app'],
    ['which come first', 'both.example', CURL, 'direct', 'app'],
    ['then the global ones', 'everywhere.example', CURL, 'block', 'global'],
    ['then its own default', 'other.example', CURL, 'direct', 'app'],
    ['only those of the first section that fits', 'root.example', CURL, 'direct', 'app'],
    ['and all of whose parts fit', 'root.example', by({ path: '/usr/bin/curl', user: 'root' }), 'block', 'app'],
    ['a path may have stars', 'other.example', by({ path: '/opt/curl-8' }), 'block', 'app'],
    ['a unit', 'other.example', by({ path: '/usr/sbin/sshd', unit: 'ssh.service' }), 'drop', 'app'],
    ['a user by name', 'alice.example', by({ path: '/bin/x', user: 'alice' }), 'block', 'app'],
    ['a user by the number that the name has', 'alice.example', by({ path: '/bin/x', uid: 1000 }), 'block', 'app'],
    ['a user by number', 'other.example', by({ path: '/bin/x', uid: 1001 }), 'block', 'app'],
    ['a section without a default', 'other.example', by({ path: '/bin/x', user: 'alice' }), 'tunnel', 'global'],
    ['a container', 'other.example', by({ path: '/bin/x', container: 'abcd' }), 'block', 'app'],
    ['a container of some kind', 'other.example', by({ path: '/bin/x', container: 'docker:abcd' }), 'block', 'app'],
    ['a packaged app', 'other.example', by({ path: '/bin/x', tag: 'flatpak:org.x' }), 'block', 'app'],
    ['a script', 'other.example', by({ path: '/usr/bin/python3.13', script: '/opt/a.py' }), 'block', 'app'],
    [
      'the same script of another interpreter',
      'other.example',
      by({ path: '/bin/x', script: '/opt/a.py' }),
      'tunnel',
      'global',
    ],
    ['nobody', 'own.example', by({ path: '/bin/x' }), 'tunnel', 'global'],
    ['an unknown program: strict', 'known.example', {}, 'tunnel', 'strict'],
    ['then global', 'everywhere.example', {}, 'block', 'global'],
    ['then blocked', 'other.example', {}, 'block', 'strict'],
    ['a program of which only the user is known', 'known.example', by({ uid: 5 }), 'tunnel', 'strict'],
    ['whose section fits', 'other.example', by({ uid: 1001 }), 'block', 'app'],
    ['forwarded, by interface', 'other.example', { direction: 'forwarded', interface: 'docker0' }, 'direct', 'app'],
    [
      'forwarded from elsewhere: global, not strict',
      'other.example',
      { direction: 'forwarded', interface: 'virbr0' },
      'tunnel',
      'global',
    ],
  ])('%s: %s', (_, name, facts, verdict, layer) => {
    expect(set.judge(flow(name, facts))).toMatchObject({ verdict, layer })
  })

  test('unknown programs are like others where there is no strict section', () => {
    expect(globalRules('- a.b').judge(flow('c.d'))).toMatchObject({ verdict: 'tunnel', layer: 'global' })
  })
})

describe('what comes in', () => {
  const incoming = (from: string, port: number, more: Partial<FlowFacts> = {}): FlowFacts =>
    flow(from, { direction: 'in', port, ...more })

  test('is blocked where nothing else is said', () => {
    for (const set of [noRules(NOWHERE), rules(''), globalRules('+ *', 'direct *')])
      expect(set.judge(incoming('93.0.0.1', 22, CURL))).toMatchObject({ verdict: 'block', layer: 'global' })
  })

  test('is let in by rules of the app or of all, by where it comes from and the port here', () => {
    const set = rules(`
apps:
  - app: /usr/sbin/sshd
    incoming: |
      + LAN TCP/22
      drop C:EU
  - app: /usr/bin/server
    incomingDefault: allow
strict: { incoming: "+ 10.0.0.1" }
global:
  incoming: "+ loopback"
  incomingDefault: drop
`)
    const sshd = by({ path: '/usr/sbin/sshd' })
    const judge = (facts: FlowFacts): [Verdict, string] => {
      const { verdict, layer } = set.judge(facts)
      return [verdict, layer]
    }
    expect(judge(incoming('192.168.1.9', 22, sshd))).toEqual(['direct', 'app'])
    expect(judge(incoming('192.168.1.9', 23, sshd))).toEqual(['drop', 'global'])
    expect(judge(incoming('93.0.0.1', 22, sshd))).toEqual(['drop', 'app'])
    expect(judge(incoming('127.0.0.1', 9, sshd))).toEqual(['direct', 'global'])
    expect(judge(incoming('93.0.0.1', 80, by({ path: '/usr/bin/server' })))).toEqual(['direct', 'app'])
    expect(judge(incoming('10.0.0.1', 80))).toEqual(['direct', 'strict'])
    expect(judge(incoming('10.0.0.2', 80))).toEqual(['drop', 'global'])
  })
})

describe('judging', () => {
  test.each([
    ['- .ads.example', 'block'],
    ['drop ads.example', 'drop'],
    ['- *ads*', 'block'],
    ['- L:ads', 'block'],
    ['direct .ads.example', 'tunnel'],
    ['direct *ads*', 'tunnel'],
    ['direct L:ads', 'tunnel'],
  ])('an alias counts for rules that refuse, and for no others: %s', (rule, verdict) => {
    const asked = flow('93.1.1.1', { name: 'shop.example', aliases: ['cdn.example', 'ads.example'] })
    expect(globalRules(rule, '+ shop.example').judge(asked).verdict).toBe(verdict)
    expect(globalRules('direct shop.example', rule).judge(asked).verdict).toBe('direct')
    expect(globalRules(rule).judge(flow('93.1.1.1', { name: 'shop.example' })).verdict).toBe('tunnel')
  })

  test('says what looking at one rule after the other says, for any rules and flows', () => {
    const random = cheapRandom(23)
    const one = <T>(...list: T[]): T => list[random.below(list.length)] as T
    const name = (): string => one('a', 'b.a', 'c.b.a', 'd.a', 'ads.example', 'x.ads.example')
    const where = (): string =>
      one(
        '*',
        name(),
        `.${name()}`,
        '*b.a',
        'c.*',
        'AT',
        'C:EU',
        'C:AS',
        'AS64500',
        'LAN',
        'public',
        'L:ads',
        '93.0.0.0/9',
        '10.0.0.1',
        '2001:db8::/32',
      )
    const service = (): string => one('', '', ' TCP', ' UDP', ' TCP/443', ' */1-442', ' ICMP')
    const list = (words: string[]): string[] =>
      Array.from({ length: random.below(6) }, () => `${one(...words)} ${where()}${service()}`)
    const section = (): object => ({
      rules: list(['+', '-', 'drop', 'direct']),
      incoming: list(['+', '-', 'drop']),
      ...(random.below(2) === 0 ? {} : { default: one('tunnel', 'direct', 'block') }),
      ...(random.below(2) === 0 ? {} : { incomingDefault: one('allow', 'drop') }),
    })
    const who = (): object =>
      one<object>(
        { app: '/a' },
        { app: ['/a', '/b'] },
        { app: '/*' },
        { user: 1 },
        { app: '/b', user: [1, 'u'] },
        { interface: 'i*' },
      )
    const app = (): AppFacts | undefined =>
      one(
        undefined,
        { uid: 1 },
        { path: '/a' },
        { path: '/b', uid: 1 },
        { path: '/b', user: 'u' },
        { path: '/c', uid: 2 },
      )
    const facts = (): FlowFacts => {
      const address = one(
        undefined,
        ip('93.1.1.1'),
        ip('93.200.1.1'),
        ip('203.1.1.1'),
        ip('10.0.0.1'),
        ip('94.1.1.1'),
        ip('2001:db8::1'),
      )
      return {
        ...one({ direction: 'out' }, { direction: 'in' }, { direction: 'forwarded', interface: one('i0', 'j0') }),
        ...{ app: app(), protocol: one('tcp', 'udp', 'icmp'), port: one(0, 80, 443), address },
        ...(address === undefined || random.below(2) === 0 ? { name: name(), ...aliases() } : {}),
        scope: flowScope(address),
      } as FlowFacts
    }
    const aliases = () => (random.below(2) === 0 ? { aliases: [name(), name()] } : {})
    const locator = new TestLocator()
    const seen = new Set<string>()
    for (let round = 0; round < 400; round++) {
      const content = {
        lists: { ads: 'x' },
        apps: Array.from({ length: random.below(5) }, () => ({ ...who(), ...section() })),
        ...(random.below(2) === 0 ? {} : { strict: section() }),
        global: section(),
      }
      const text = JSON.stringify(content, undefined, 1)
      const book = rulesOfText(text)
      const set = new RuleSet(book, { lists: LISTS, locator, userIds: new Map() })
      for (let i = 0; i < 20; i++) {
        const asked = facts()
        const known = plainJudge(book, asked, LISTS, locator)
        const { verdict, rule, layer } = set.judge(asked)
        const place = known.line === 0 ? 'r.yaml' : `r.yaml:${known.line}`
        expect([text, asked, verdict, rule.place]).toEqual([text, asked, known.verdict, place])
        seen.add(`${verdict} ${layer} ${asked.direction}`)
      }
    }
    expect(seen.size).toBeGreaterThan(20)
  })

  test('makes nothing that could be changed afterwards', () => {
    const judgement = globalRules('+ *').judge(flow('a.b'))
    expect(Object.isFrozen(judgement)).toBe(true)
    expect(globalRules('+ *').judge(flow('a.b'))).toEqual(judgement)
  })
})

describe('a flow that is there when rules change', () => {
  const tunnel = (hops?: number) => ({ verdict: 'tunnel', wish: hops === undefined ? {} : { hops } }) as const
  const other = (verdict: Verdict) => ({ verdict, wish: {} })

  test.each([
    [tunnel(), tunnel(), true],
    [tunnel(2), tunnel(2), true],
    [tunnel(2), tunnel(3), false],
    [tunnel(), tunnel(3), false],
    [other('direct'), other('direct'), true],
    [tunnel(), other('direct'), false],
    [other('direct'), tunnel(), false],
    [tunnel(), other('block'), false],
    [other('direct'), other('drop'), false],
    [other('block'), other('block'), false],
    [other('block'), tunnel(), false],
  ])('%j then %j: goes on is %p', (before, after, goesOn) => {
    expect(stillAllowed(before, after)).toBe(goesOn)
  })
})

describe('a question for a name', () => {
  const SSH =
    'apps:\n  - app: /usr/bin/ssh\n    rules: |\n      direct LAN\n      + .example.org TCP/22\n    default: block\n'
  const asked = (name: string, more: Partial<FlowFacts> = {}): FlowFacts =>
    flow(name, { protocol: 'udp', port: 0, ...more })

  test.each<[string, readonly string[], string | undefined]>([
    ['of a blocked name', ['- a.example'], 'block'],
    ['of a dropped name', ['drop .example'], 'drop'],
    ['of a name on a blocked list', ['- L:ads', '- b.example'], undefined],
    ['of which one port is blocked', ['- a.example TCP/80'], undefined],
    ['of which one protocol is blocked', ['- a.example UDP'], undefined],
    ['of which one port is not blocked', ['+ a.example TCP/80', '- a.example'], undefined],
    ['that may lead to an address that is not blocked', ['+ 93.0.0.0/8', '- a.example'], undefined],
    ['that may lead to a country that is not blocked', ['+ C:AT', '- a.example'], undefined],
    ['that leads to no local network', ['direct LAN', '- a.example'], 'block'],
    ['behind a rule for another', ['+ b.example', '- *'], 'block'],
    ['of a name below', ['- .example'], 'block'],
    ['of a name like it', ['- a.*'], 'block'],
    ['of a name that only may lead to what is blocked', ['- 93.0.0.0/8'], undefined],
  ])('%s', (_, list, verdict) => {
    expect(globalRules(...list).refusalOfName(asked('a.example'))?.verdict).toBe(verdict)
  })

  test('is judged by the rules of the app that asks, and by its default', () => {
    const set = rules(SSH)
    const ssh = by({ path: '/usr/bin/ssh', uid: 1000 })
    expect(set.refusalOfName(asked('git.example.org', ssh))).toBeUndefined()
    expect(set.refusalOfName(asked('a.example', ssh))?.rule.text).toBe('default: block')
    expect(set.refusalOfName(asked('a.example', CURL))).toBeUndefined()
  })

  test('for a server of the local network is one for what is there', () => {
    const ssh = by({ path: '/usr/bin/ssh', uid: 1000 })
    expect(rules(SSH).refusalOfName(asked('nas.lan', { ...ssh, scope: 'private' }))).toBeUndefined()
  })

  test('of a listed name', () => {
    expect(globalRules('- L:ads').refusalOfName(asked('ads.example'))?.verdict).toBe('block')
  })
})
