import { parseFlow } from '../../../client/commands/flow-text.ts'
import { DestinationList } from '../../../client/rules/destination-list.ts'
import { type FlowFacts, flowScope } from '../../../client/rules/flow-facts.ts'
import { isMistaken } from '../../../client/rules/mistake.ts'
import { readRules } from '../../../client/rules/read-rules.ts'
import { rulesOf } from '../../../client/rules/rule.ts'
import { RuleSet } from '../../../client/rules/rule-set.ts'
import { parseRuleText } from '../../../client/rules/rule-text.ts'
import { utf8 } from '../../../shared/base/bytes.ts'
import { isFault } from '../../../shared/base/fault.ts'
import { formatRange, parseRange } from '../../../shared/base/ip-address.ts'
import type { Locator } from '../../../shared/geo/locator.ts'
import { plainJudge } from '../../support/plain-judge.ts'
import { readWholeList } from '../../support/plain-rules.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

const textOf = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

const LOCATOR: Locator = {
  locate: () => ({ place: { latitude: 48, longitude: 16, country: 'AT', city: '' }, asn: 64500 }),
}
const LISTS = new Map([['ads', new DestinationList(new Set(['ads.example']), [])]])

function flow(more: Partial<FlowFacts>): FlowFacts {
  const base = { direction: 'out', protocol: 'tcp', port: 443, scope: flowScope(more.address) }
  return { ...base, ...more } as FlowFacts
}

const FLOWS: readonly FlowFacts[] = [
  flow({ name: 'www.example.com', app: { path: '/usr/bin/curl', uid: 1000 } }),
  flow({ name: 'x.ads.example', address: Uint8Array.of(93, 0, 0, 1), protocol: 'udp', port: 53 }),
  flow({ address: Uint8Array.of(192, 168, 0, 1), app: { uid: 0, user: 'root' } }),
  flow({ address: Uint8Array.of(93, 0, 0, 1), direction: 'in', port: 22, app: { path: '/usr/sbin/sshd' } }),
  flow({
    address: Uint8Array.of(93, 0, 0, 1),
    direction: 'forwarded',
    interface: 'docker0',
    protocol: 'icmp',
    port: 0,
  }),
]

const RULES = `lists: { ads: ads.txt }
apps:
  - app: /usr/bin/curl
    user: [1000, root]
    rules:
      - + .example.com TCP/443
      - { to: [C:DE, 10.0.0.0/8], protocol: tcp, port: 80-90, verdict: tunnel, hops: 2, exit: C:NL }
    default: direct
    incoming:
      - + LAN TCP/22
  - interface: docker*
    default: block
strict: { default: drop }
global:
  rules: |
    # to nobody
    - L:ads

    - * TCP/25
  incomingDefault: allow
`

const rulesFile: FuzzTarget = {
  name: 'rules-file',
  about: 'the rules of the client as users write them',
  maxBytes: 1024,
  words: [
    ...[
      'apps:',
      'global:',
      'strict:',
      'lists:',
      'rules:',
      'default:',
      'incoming:',
      'app:',
      'user:',
      '- to: *',
      '&a',
      '*a',
    ],
    ...[
      'verdict: tunnel',
      'hops: ',
      'exit: ',
      'avoid: ',
      'trusted: true',
      '!!set',
      '|',
      '>',
      '? ',
      '\n  - ',
      '__proto__',
    ],
  ].map(utf8),
  seeds: () =>
    [RULES, '', '{}', 'global: { rules: [+ *, "- C:EU"] }', 'apps: [{ app: "*", default: drop }]', '- - - x'].map(utf8),
  run(input) {
    const text = textOf(input)
    const { book, mistakes } = readRules(text, 'r.yaml')
    const lines = text.split(/\r\n|\r|\n/).length
    if (book === undefined) {
      promise(mistakes.length > 0, 'what is no book has mistakes')
      for (const { line, text: told } of mistakes)
        promise(line >= 1 && line <= lines && told.length > 0, 'a mistake is told with a line of the file')
      return 'mistakes'
    }
    for (const { line, to } of rulesOf(book))
      promise(line >= 1 && line <= lines && to.length > 0, 'a rule has a line of the file')
    const set = new RuleSet(book, { lists: LISTS, locator: LOCATOR, userIds: new Map() })
    for (const facts of FLOWS) {
      const { verdict, rule } = set.judge(facts)
      const known = plainJudge(book, facts, LISTS, LOCATOR)
      promise(verdict === known.verdict, 'the same verdict as by looking at one rule after the other')
      promise(rule.place === (known.line === 0 ? 'r.yaml' : `r.yaml:${known.line}`), 'by the same rule')
    }
    return `rules ${Math.min(set.ruleCount, 6)}`
  },
}

const ruleText: FuzzTarget = {
  name: 'rule-text',
  about: 'a rule in one line',
  maxBytes: 128,
  words: [
    '+ ',
    '- ',
    'direct ',
    ' TCP/',
    ' UDP',
    '-65535',
    'C:',
    'AS',
    'L:',
    '*.',
    '::/',
    '/8',
    '#',
    'LAN,',
    'xn--',
  ].map(utf8),
  seeds: () =>
    [
      ...['+ .example.com TCP/443', '- AS123', '- C:EU', 'drop L:ads # x', 'direct LAN,Localhost', '+ *'],
      ...['block 10.0.0.0/8 UDP/6000-6100', '- 2001:db8::/32 ICMP', '+ *example* */53', '- DE', '+ [::1]'],
    ].map(utf8),
  run(input) {
    const text = textOf(input)
    const read = parseRuleText(text, 'out')
    if (isMistaken(read)) {
      promise(read.mistake.length > 0, 'a mistake is told')
      return 'mistake'
    }
    const again = parseRuleText(read.text, 'out')
    promise(JSON.stringify(again) === JSON.stringify(read), 'its own text is the same rule')
    const [where] = read.to
    if (where?.kind === 'name') promise(where.name === where.name.toLowerCase(), 'names are held in lower case')
    if (where?.kind === 'range') promise(parseRange(formatRange(where.range)) !== undefined, 'a network is one')
    const ports = read.ports ?? []
    promise(
      ports.every(({ from, to }) => from >= 1 && from <= to && to <= 65_535),
      'ports are ports',
    )
    return `${read.verdict} ${where?.kind}`
  },
}

const rulesList: FuzzTarget = {
  name: 'rules-list',
  about: 'a list file of names and networks',
  maxBytes: 256,
  words: ['\n', '\r\n', '#', '.', '/24', '0.0.0.0 ', '*.', '::', 'example.com'].map(utf8),
  seeds: () => ['a.example\n.b.example # b\n\n192.0.2.0/24\n2001:db8::1', '# nothing', '*.x', '10.0.0.1/8'].map(utf8),
  run(input) {
    const text = textOf(input)
    const list = readWholeList(text, 'l')
    if (!(list instanceof DestinationList)) {
      const lines = text.split('\n').length
      promise(
        list.mistakes.length > 0 && list.mistakes.every(({ line }) => line >= 1 && line <= lines),
        'mistakes are told with their lines',
      )
      return 'mistakes'
    }
    const entries = text.split('\n').map((line) => line.replace(/#.*$/s, '').trim())
    for (const entry of entries.filter((one) => one !== '')) {
      const range = parseRange(entry)
      const name = entry.toLowerCase().replace(/^\./, '').replace(/\.$/, '')
      const known = range === undefined ? list.has(`x.${name}`, undefined) : list.has(undefined, range.address)
      promise(known, 'every line is in the list')
    }
    return `list ${Math.min(list.size, 5)}`
  },
}

const flowText: FuzzTarget = {
  name: 'flow-text',
  about: 'a flow on the command line of `spn rules explain`',
  maxBytes: 128,
  words: ['/udp', '/icmp', ':443', '[::1]', ',user:', 'unit:', 'interface:', '?'].map(utf8),
  seeds: () =>
    [
      '/usr/bin/curl example.com:443',
      '? 192.0.2.1:53/udp',
      'user:0,unit:a [2001:db8::1]:80',
      'interface:x ::1/icmp',
    ].map(utf8),
  run(input) {
    const text = textOf(input)
    const blank = text.indexOf(' ')
    try {
      const facts = parseFlow(text.slice(0, Math.max(0, blank)), text.slice(blank + 1), 'out')
      const hasPort = facts.protocol === 'tcp' || facts.protocol === 'udp'
      promise(hasPort === facts.port > 0 && facts.port <= 65_535, 'ports are where there are some')
      promise((facts.name === undefined) !== (facts.address === undefined), 'it goes to a name or to an address')
      return `${facts.direction} ${facts.protocol} ${facts.app === undefined}`
    } catch (error) {
      if (!isFault(error, 'options-invalid')) throw error
      return 'refused'
    }
  },
}

export const RULES_TARGETS: readonly FuzzTarget[] = [rulesFile, ruleText, rulesList, flowText]
