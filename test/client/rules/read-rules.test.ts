import { describe, expect, test } from '@jest/globals'
import { mistakeText } from '../../../client/rules/mistake.ts'
import { MAX_MISTAKES, MAX_RULES, MAX_RULES_BYTES, readRules } from '../../../client/rules/read-rules.ts'
import { type RuleBook, rulesOf } from '../../../client/rules/rule.ts'
import { MAX_LISTS, MAX_VALUE_CHARS, MAX_VALUES } from '../../../client/rules/rules-schema.ts'

function book(text: string): RuleBook {
  const read = readRules(text, 'r.yaml')
  if (read.book !== undefined) return read.book
  throw new Error(read.mistakes.map(mistakeText).join('\n'))
}

/** `LINE TEXT` of each mistake. */
function mistakes(text: string): string[] {
  return (readRules(text, 'r.yaml').mistakes ?? []).map(({ line, text: told }) => `${line} ${told}`)
}

const WHOLE = `# every option there is
lists: { ads: lists/ads.txt }
apps:
  - app: [/usr/bin/curl, "*/wget"]
    script: /opt/*.py
    unit: backup*.service
    container: "0123*"
    tag: flatpak:org.mozilla.firefox
    user: [1000, alice]
    rules:
      - + .example.com TCP/443  # a comment
      - "- AS123"
      - to: [C:DE, 10.0.0.0/8]
        protocol: [tcp, UDP]
        port: [80, 6000-6100]
        verdict: tunnel
        hops: 2
        exit: [C:NL, AS1, "operator: some body", hub:${'ab'.repeat(32)}]
        avoid: C:EU
        trusted: true
    default: direct
    incoming:
      - + LAN TCP/22
      - { verdict: drop }
    incomingDefault: drop
  - interface: docker*
    rules: "- * TCP/25"
strict:
  rules:
  default: { verdict: tunnel, hops: 4 }
global:
  rules: |
    # to nobody
    - L:ads

    - * TCP/25
  default: tunnel
`

describe('a rules file', () => {
  test('has every option that there is, each rule with its line and text', () => {
    const { file, apps, strict, global, lists } = book(WHOLE)
    expect([file, apps.length, [...lists]]).toEqual(['r.yaml', 2, [['ads', { path: 'lists/ads.txt', line: 2 }]]])
    const [curl, docker] = apps
    expect(curl?.who).toEqual({
      app: [expect.objectContaining({ text: '/usr/bin/curl' }), expect.objectContaining({ text: '*/wget' })],
      script: [expect.objectContaining({ text: '/opt/*.py' })],
      unit: [expect.objectContaining({ text: 'backup*.service' })],
      container: [expect.objectContaining({ text: '0123*' })],
      tag: [expect.objectContaining({ text: 'flatpak:org.mozilla.firefox' })],
      user: [1000, 'alice'],
    })
    expect(curl?.out.rules.map(({ line, text, verdict }) => [line, text, verdict])).toEqual([
      [11, '+ .example.com TCP/443', 'tunnel'],
      [12, '- AS123', 'block'],
      [13, expect.stringMatching(/^\{"to":\["C:DE","10\.0\.0\.0\/8"\],"protocol":/), 'tunnel'],
    ])
    expect(curl?.out.rules[2]).toMatchObject({
      to: [{ kind: 'country', country: 'DE' }, { kind: 'range' }],
      protocols: ['tcp', 'udp'],
      ports: [
        { from: 80, to: 80 },
        { from: 6000, to: 6100 },
      ],
      wish: {
        hops: 2,
        exit: [
          { kind: 'country', country: 'NL' },
          { kind: 'as', asn: 1 },
          { kind: 'operator', operator: 'some body' },
          { kind: 'hub', hub: 'ab'.repeat(32) },
        ],
        avoid: [{ kind: 'continent', continent: 'EU' }],
        trusted: true,
      },
    })
    expect(curl?.out.default).toEqual({ verdict: 'direct', wish: {}, text: 'default: direct', line: 21 })
    expect(curl?.in).toMatchObject({
      rules: [
        { line: 23, verdict: 'direct' },
        { line: 24, verdict: 'drop', to: [{ kind: 'any' }] },
      ],
      default: { verdict: 'drop', line: 25 },
    })
    expect([docker?.who, docker?.out.rules.map(({ line, text }) => [line, text])]).toEqual([
      { interface: [expect.objectContaining({ text: 'docker*' })] },
      [[27, '- * TCP/25']],
    ])
    expect(strict?.out).toEqual({
      rules: [],
      default: { verdict: 'tunnel', wish: { hops: 4 }, text: 'default: tunnel', line: 30 },
    })
    expect(global.out.rules.map(({ line, text }) => [line, text])).toEqual([
      [34, '- L:ads'],
      [36, '- * TCP/25'],
    ])
  })

  test.each(['', '# nothing\n', 'apps:\nlists: {}\n', 'global: {}\n', '--- {}\n', '\ufeffapps: []\n'])(
    'may have no rules: %j',
    (text) => {
      expect(rulesOf(book(text))).toEqual([])
    },
  )

  test('may have lines that end as on other systems', () => {
    expect(book('global:\r\n  rules: |\r\n    + *\r\n    - * TCP/25\r\n').global.out.rules).toMatchObject([
      { line: 3, to: [{ kind: 'any' }] },
      { line: 4, text: '- * TCP/25' },
    ])
  })

  const KEYS = 'rules, default, incoming, incomingDefault'
  test.each([
    ['- x', ['1 expected options: apps, strict, global, lists']],
    ['just text', ['1 expected options: apps, strict, global, lists']],
    ['rules: []', ['1 there is no "rules" here; write one of apps, strict, global, lists']],
    [
      'global:\n  rulez: []\n  x: 1',
      [`2 there is no "rulez" here; write one of ${KEYS}`, `3 there is no "x" here; write one of ${KEYS}`],
    ],
    ['global: 5', [`1 global: expected options: ${KEYS}`]],
    ['apps: 5', ['1 apps: expected a list of apps']],
    [
      'apps: [5]',
      [
        '1 apps: expected options: app, script, unit, container, tag, user, interface, rules, default, incoming, incomingDefault',
      ],
    ],
    ['apps:\n  - rules: []', ['2 expected to say whose: app, script, unit, container, tag, user, interface']],
    ['apps:\n  - app: curl', ['2 app: expected a whole path, like /usr/bin/curl or */curl']],
    ['apps:\n  - app: []', ['2 app: expected at least one']],
    ['apps:\n  - user: a b', ['2 expected the number or the name of a user, like 1000 or alice']],
    ['apps:\n  - user: -1', ['2 expected the number or the name of a user, like 1000 or alice']],
    ['apps:\n  - unit: 5', ['2 unit: expected text']],
    ['apps:\n  - { interface: a, app: /b }', ['2 what is forwarded has no program here; write interface alone']],
    ['global:\n  rules: 5', ['2 rules: expected a list of rules, or a text with one rule to a line']],
    ['global:\n  rules:\n    - - AS123', ['3 a rule that begins with - needs quotes; write - "- AS123"']],
    ['global:\n  rules:\n    - [[1]]', ['3 a rule that begins with - needs quotes; write - "- AS123"']],
    ['global:\n  rules:\n    - *', ['3 a text that begins with * or & needs quotes; write "*"']],
    [
      'global:\n  rules:\n    - to: *\n      verdict: block',
      ['3 a text that begins with * or & needs quotes; write "*"'],
    ],
    [
      'global: &a\n  rules: []\nstrict: *a',
      [
        '2 a text that begins with * or & needs quotes; write "*"',
        '3 a text that begins with * or & needs quotes; write "*"',
      ],
    ],
    ['global:\n  default: !!str tunnel', ['2 a text that begins with ! needs quotes']],
    [
      'global:\n  rules: [5]',
      ['2 rules: expected options: verdict, hops, profile, exit, avoid, trusted, to, protocol, port'],
    ],
    ['global:\n  rules:\n    - {}', ['3 verdict: expected text']],
    ['global:\n  rules:\n    - verdict: deny', ['3 "deny" is no verdict; write tunnel, direct, block, drop']],
    ['global:\n  incoming:\n    - verdict: tunnel', ['3 "tunnel" is no verdict; write allow, block, drop']],
    ['global:\n  default: maybe', ['2 "maybe" is no verdict; write tunnel, direct, block, drop']],
    ['global:\n  incomingDefault: tunnel', ['2 "tunnel" is no verdict; write allow, block, drop']],
    ['global:\n  default: 5', ['2 default: expected options: verdict, hops, profile, exit, avoid, trusted']],
    ['global:\n  default: { verdict: block, hops: 2 }', ['2 hops is for verdict: tunnel only; leave it out']],
    ['global:\n  rules:\n    - verdict: tunnel\n      hops: 5', ['4 hops: expected 1 to 4 hops']],
    ['global:\n  rules:\n    - verdict: tunnel\n      hops: 1.5', ['4 hops: expected 1 to 4 hops']],
    [
      'global:\n  default: { verdict: tunnel, profile: quick }',
      ['2 profile: expected one of plain, fast, balanced, private'],
    ],
    ['global:\n  default: { verdict: block, profile: fast }', ['2 profile is for verdict: tunnel only; leave it out']],
    [
      'global:\n  default: { verdict: tunnel, profile: fast, hops: 1 }',
      ['2 a profile says how many hops; leave one of both out'],
    ],
    ['global:\n  rules:\n    - verdict: tunnel\n      hops: x', ['4 hops: expected 1 to 4 hops']],
    ['global:\n  rules:\n    - verdict: tunnel\n      trusted: 1', ['4 trusted: expected true or false']],
    [
      'global:\n  rules:\n    - verdict: tunnel\n      exit: mars',
      ['4 "mars" names no hubs; write C:DE, C:EU, AS123, hub:KEY or operator:NAME'],
    ],
    [
      'global:\n  rules:\n    - verdict: tunnel\n      avoid:\n        - C:DE\n        - hub:12',
      ['6 write the 64 hexadecimal digits of the hub'],
    ],
    [
      'global:\n  rules:\n    - verdict: block\n      to:\n        - a.b\n        - C:UK',
      ['6 there is no country "UK"; write C:GB'],
    ],
    ['global:\n  rules:\n    - verdict: block\n      to: 5', ['4 to: expected text']],
    [
      'global:\n  rules:\n    - verdict: block\n      port: 0',
      ['4 "0" is no port; write 1 to 65535, or a range like 6000-6100'],
    ],
    [
      'global:\n  rules:\n    - verdict: block\n      port: true',
      ['4 port: expected a port, or a range like 6000-6100'],
    ],
    [
      'global:\n  rules:\n    - verdict: block\n      protocol: sctp',
      ['4 "sctp" is no protocol; write TCP, UDP, ICMP, OTHER or *'],
    ],
    [
      'global:\n  rules:\n    - verdict: block\n      protocol: icmp\n      port: 8',
      ['3 ICMP has no ports; write ICMP alone'],
    ],
    [
      'global:\n  rules: |\n    + *\n\n    +x.y\n    + C:UK',
      ['5 "+x.y" says not what to do; write a blank behind +', '6 there is no country "UK"; write C:GB'],
    ],
    ['global:\n  rules: + L:ads', ['2 there is no list "ads"; write its file to lists: ads: FILE']],
    ['lists: 5', ['1 lists: expected names with paths, like ads: ads.txt']],
    ['lists:\n  ads: 5', ['2 ads: expected the path of a file']],
    ['lists:\n  ads: ""', ['2 ads: expected the path of a file']],
    ['lists:\n  "a b": x', ['2 expected a name of letters, digits, - and _']],
    ['global: {}\nglobal: {}', ['2 this is no YAML: Map keys must be unique']],
    [
      'global: {}\n---\nglobal: { default: block }',
      ['2 another document begins behind a line --- or ...; write one, what is behind would not be read'],
    ],
    ['global: {}\n...\nglobal: {}', [expect.stringMatching(/^3 another document begins/)]],
    ['a: b: c', ['1 this is no YAML: Nested mappings are not allowed in compact mappings']],
    ['[1]: x', ['1 this is no YAML: With stringKeys, all keys must be strings']],
    [
      '['.repeat(20_000),
      [expect.stringMatching(/^1 (lists are nested too deeply|this is no YAML)/), expect.anything()],
    ],
    ['- '.repeat(20_000), ['1 lists are nested too deeply; a list of rules is one level deep']],
  ])('with a mistake is told where and what to write: %j', (text, told) => {
    const found = mistakes(text)
    // Of brackets that are not closed the library has much to say.
    expect(text.startsWith('[[') ? found.slice(0, 2) : found).toEqual(told)
  })

  test('tells all mistakes at once, in the order of their lines', () => {
    const told = mistakes('global:\n  default: x\n  rules:\n    - + C:UK\napps:\n  - app: curl\n    hops: 1\n')
    expect(told.map((line) => line.split(' ')[0])).toEqual(['2', '4', '6', '7'])
  })
})

describe('the limits of a rules file, at the cap and one past it:', () => {
  const rules = (count: number): string => `global:\n  rules: |\n${'    + *\n'.repeat(count)}`
  const block = (more: string): string => `global:\n  rules:\n    - verdict: block\n      ${more}\n`

  test.each<[string, (n: number) => string, number, string]>([
    [
      'rules',
      rules,
      MAX_RULES,
      `1 there are ${MAX_RULES + 1} rules; write at most ${MAX_RULES}, and long lists to list files`,
    ],
    [
      'bytes',
      (n) => `#${'x'.repeat(n - 2)}\n`,
      MAX_RULES_BYTES,
      `1 the file is too large; write at most ${MAX_RULES_BYTES} bytes, and long lists to list files`,
    ],
    ['values', (n) => block(`port: [${Array(n).fill(1)}]`), MAX_VALUES, `4 port: expected at most ${MAX_VALUES}`],
    [
      'letters',
      (n) => `global:\n  rules: "+ * #${'x'.repeat(n - 5)}"`,
      MAX_VALUE_CHARS,
      `2 rules: expected at most ${MAX_VALUE_CHARS} letters`,
    ],
    [
      'lists',
      (n) => `lists: {${Array.from({ length: n }, (_, i) => `a${i}: b`)}}`,
      MAX_LISTS,
      `1 expected at most ${MAX_LISTS} lists`,
    ],
  ])('%s', (_, make, cap, message) => {
    expect(mistakes(make(cap))).toEqual([])
    expect(mistakes(make(cap + 1)).map((text) => text.replace(/^(\d+ )0: /, '$1'))).toEqual([message])
  })

  test('mistakes', () => {
    const told = mistakes(`global:\n  rules: |\n${'    x\n'.repeat(MAX_MISTAKES + 50)}`)
    expect(told).toHaveLength(MAX_MISTAKES)
  })
})
