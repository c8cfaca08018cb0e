import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ClientConfig } from '../../client/options.ts'
import { networkFileOf } from '../../shared/map/network.ts'
import { writeJson } from '../net/network-config.ts'
import { networkWith } from '../support/map-fixtures.ts'
import { ROOT } from '../support/program.ts'
import { until } from '../support/until.ts'
import { DRIVER_PORTS } from './support/driver-ports.ts'
import { InterceptionLab, OWN_GID } from './support/interception-lab.ts'
import { LineProcess } from './support/line-process.ts'
import { ADDRESSES, whyNoHosts } from './support/two-hosts.ts'

const SPN = 'deploy/bin/spn'
const EXAMPLE = 'deploy/examples/rules.yaml'
const folder = mkdtempSync(join(tmpdir(), 'spn-rules-e2e-'))
const rulesFile = join(folder, 'rules.yaml')

afterAll(() => rmSync(folder, { recursive: true }))

function spn(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(join(ROOT, SPN), words, { cwd: ROOT, encoding: 'utf8' })
  return { status, stdout, stderr }
}

function configure(rules: string | null, more: Partial<ClientConfig> = {}): string {
  if (rules !== null) writeFileSync(rulesFile, rules)
  const config = { networkFile: 'n', stateDir: folder, rulesFile: rules === null ? null : rulesFile, ...more }
  return writeJson(folder, 'client.json', config satisfies ClientConfig)
}

describe('spn rules check', () => {
  test('finds nothing in the example, and says what is in it', () => {
    expect(spn('rules', 'check', EXAMPLE)).toEqual({
      status: 0,
      stdout: `${EXAMPLE}: 11 rules, 3 entries in ads.txt, no mistakes\n`,
      stderr: '',
    })
  })

  test('finds nothing in what the README shows', () => {
    const section = /\n## Rules\n([\s\S]*?)\n## /.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? ''
    const lines = section.split('\n').filter((line) => line.startsWith('    '))
    writeFileSync(rulesFile, lines.map((line) => line.slice(4)).join('\n'))
    writeFileSync(join(folder, 'ads.txt'), 'ads.example')
    expect(spn('rules', 'check', rulesFile)).toMatchObject({
      status: 0,
      stdout: `${rulesFile}: 5 rules, 1 entry in ads.txt, no mistakes\n`,
    })
  })

  test('tells all mistakes with their lines, and ends with status 1', () => {
    const config = configure('lists: { a: a.txt }\nglobal:\n  rulez: []\n  default: allow\n')
    const told = {
      status: 1,
      stdout:
        'rules.yaml:3: there is no "rulez" here; write one of rules, default, incoming, incomingDefault\n' +
        'rules.yaml:4: "allow" is no verdict; write tunnel, direct, block, drop\n',
      stderr: '',
    }
    expect(spn('rules', 'check', rulesFile)).toEqual(told)
    expect(spn('rules', 'check', '--config', config)).toEqual(told)
    writeFileSync(rulesFile, 'lists: { a: a.txt }\n')
    writeFileSync(join(folder, 'a.txt'), 'ads.example\n*.x\n')
    expect(spn('rules', 'check', rulesFile)).toMatchObject({
      status: 1,
      stdout: 'a.txt:2: "*.x" has a star; write the name alone, which stands for all names below it too\n',
    })
  })

  test('says so where there is no rules file', () => {
    expect(spn('rules', 'check', '--config', configure(null))).toMatchObject({
      status: 0,
      stdout: 'there is no rulesFile in the configuration: everything goes through the network\n',
    })
    expect(spn('rules', 'check', join(folder, 'no'))).toMatchObject({
      status: 1,
      stdout: `no:1: there is no file ${join(folder, 'no')}\n`,
    })
  })

  test.each([
    [['rules']],
    [['rules', 'look']],
    [['rules', 'check']],
    [['rules', 'check', 'a', 'b']],
    [['rules', 'check', 'a', '--config', 'b']],
    [['rules', 'explain', '/a']],
    [['rules', 'explain', '/a', 'b.c:1']],
    [['rules', 'explain', '/a', 'b.c:1', 'x', '--rules', EXAMPLE]],
    [['rules', 'explain', '/a', 'b.c:1', '--rules', EXAMPLE, '--config', 'x']],
  ])('called wrongly says how to call it: %j', (words) => {
    const { status, stdout, stderr } = spn(...words)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain('spn rules explain APP DEST --config FILE')
  })
})

describe('spn rules explain', () => {
  test.each([
    [['/usr/bin/curl', 'x.ads.example:443'], 'block: - L:ads (rules.yaml:66), the first rule for all that fits'],
    [['?', '192.0.2.5:80'], 'block: - L:ads (rules.yaml:66), the first rule for all that fits'],
    [
      ['/usr/bin/ssh', '192.168.1.1:22'],
      'direct: direct LAN (rules.yaml:35), the first rule of its own section that fits',
    ],
    [
      ['interface:docker0', 'a.example:25'],
      'block: - * TCP/25 (rules.yaml:56), the first rule of its own section that fits',
    ],
    [
      ['/usr/bin/transmission-daemon', '93.0.0.1:51413', '--incoming'],
      'direct: + * TCP/51413 (rules.yaml:47), the first rule of its own section that fits',
    ],
    [
      ['/usr/sbin/sshd', '93.0.0.1:22', '--incoming'],
      'block: incomingDefault: block (rules.yaml), no rule fits, and this is the default for all',
    ],
  ])('%j', ([app = '', destination = '', ...flags], line) => {
    const { status, stdout } = spn('rules', 'explain', app, destination, '--rules', EXAMPLE, ...flags)
    expect([status, stdout.split('\n')[0]]).toEqual([0, line])
  })

  test('says what nobody can know, and what will be refused', () => {
    configure('global:\n  rules:\n    - "- C:EU"\n    - { to: a.example, verdict: tunnel, hops: 1, trusted: true }\n')
    const explained = (...words: string[]): string[] =>
      spn('rules', 'explain', ...words)
        .stdout.trim()
        .split('\n')
    expect(explained('?', 'a.example:443', '--rules', rulesFile)).toEqual([
      'tunnel over 1 hop: {"to":"a.example","verdict":"tunnel","hops":1,"trusted":true} (rules.yaml:4), the first rule for all that fits',
      'note: - C:EU (rules.yaml:3) comes before, and may or may not fit: the address or its place is not known',
    ])
    expect(explained('?', '10.0.0.1:443', '--rules', rulesFile).at(-1)).toBe(
      'note: the network carries public addresses only, and this one is private: it is refused',
    )
  })

  test('gives JSON, and looks where addresses are as the client does', () => {
    const overridesFile = writeJson(folder, 'places.json', [
      { range: '93.0.0.0/8', latitude: 48.2, longitude: 16.4, country: 'AT' },
    ])
    const config = configure('global:\n  rules: "- C:EU"\n', { geo: { overridesFile, overridesOnly: true } })
    const { status, stdout } = spn('rules', 'explain', '/usr/bin/curl', '93.0.0.1:443', '--json', '--config', config)
    expect([status, JSON.parse(stdout)]).toEqual([
      0,
      {
        ...{ verdict: 'block', wish: {}, rule: '- C:EU', place: 'rules.yaml:2', layer: 'global' },
        ...{ why: 'the first rule for all that fits', notes: [] },
      },
    ])
    expect(spn('rules', 'explain', '?', 'a.b:1', '--config', configure(null))).toMatchObject({
      status: 0,
      stdout: 'tunnel: default: tunnel (no rules file), no rule fits, and this is the default for all\n',
    })
  })

  test('refuses rules with mistakes, and destinations that are none', () => {
    configure('global: { default: x }')
    expect(spn('rules', 'explain', '?', 'a.b:1', '--rules', rulesFile)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('rules.yaml:1: "x" is no verdict'),
    })
    expect(spn('rules', 'explain', '?', 'a.b', '--rules', EXAMPLE).stderr).toContain('"a.b" has no port')
  })
})

describe('spn run', () => {
  test('does not start with rules that have mistakes', () => {
    const networkFile = writeJson(folder, 'network.json', networkFileOf(networkWith(1, 1).network))
    const config = configure('global:\n  default: x\n', { networkFile, geo: { overridesOnly: true } })
    const { status, stderr } = spn('run', '--config', config)
    expect([status, stderr]).toEqual([
      2,
      `spn: the configuration is not valid (file: ${rulesFile})\n` +
        '  rules.yaml:2: "x" is no verdict; write tunnel, direct, block, drop\n',
    ])
  })
})

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of rules for intercepted connections are skipped: ${impossible}`)

describeHosts('intercepted connections and the rules', () => {
  const { relay, reset, undecided } = DRIVER_PORTS
  const RULES = `global:
  rules: |
    direct * TCP/${relay}
    block * TCP/${reset}
    drop * TCP/${undecided}
`
  const lab = new InterceptionLab()
  let client: LineProcess
  let config: string

  beforeAll(async () => {
    await lab.start()
    const { network } = networkWith(1, 1)
    // Nobody answers there: there is no network to go through.
    const directories = network.directories.map((one) => ({ ...one, url: `http://${ADDRESSES.server[4]}` }))
    const networkFile = writeJson(folder, 'network.json', networkFileOf({ ...network, directories }))
    config = configure(RULES, { networkFile, stateDir: join(folder, 'state'), intercept: {}, socks: null })
    client = new LineProcess(lab.hosts.spawn('client', SPN, ['run', '--config', config], { gid: OWN_GID }))
    await until(() => client.errors.includes('"client started"'))
  })

  afterAll(async () => {
    client.child.kill('SIGTERM')
    await client.ended()
    await lab.hosts.close()
  })

  const status = async (): Promise<{ rules?: { count: number; mistakes: string[] } }> =>
    JSON.parse((await lab.hosts.run('client', SPN, ['status', '--config', config], { gid: OWN_GID })).stdout)

  test.each([4, 6] as const)('of IPv%i that are direct reach the destination itself', async (family) => {
    const outcome = await lab.tcp(ADDRESSES.server[family], relay, { text: 'there' })
    expect(outcome).toMatchObject({ result: 'ok', text: 'hello there' })
  })

  test.each([
    ['blocked are refused', reset, 'ECONNREFUSED'],
    ['dropped hear nothing', undecided, 'timeout'],
  ])('that are %s, and nothing leaves', async (_, port, result) => {
    const sent = await lab.sentByClient(async () => {
      const patience = result === 'timeout' ? { timeoutMs: 1_300 } : {}
      for (const family of [4, 6] as const)
        expect(await lab.tcp(ADDRESSES.server[family], port, patience)).toMatchObject({ result })
    })
    expect(sent.filter((line) => !line.includes(`${ADDRESSES.server[4]}.80:`))).toEqual([])
  })

  test('follow new rules, and not those with mistakes', async () => {
    expect(await status()).toMatchObject({ rules: { count: 3, mistakes: [] } })
    writeFileSync(`${rulesFile}.new`, RULES.replace('direct', 'blok'))
    copyFileSync(`${rulesFile}.new`, rulesFile)
    await until(() => client.errors.includes('the rules have mistakes'))
    expect((await status()).rules).toEqual({
      count: 3,
      mistakes: [expect.stringMatching(/^rules\.yaml:3: "blok \* TCP\/8080" says not what to do; /)],
    })
    expect(await lab.tcp(ADDRESSES.server[4], relay, { text: 'still' })).toMatchObject({ text: 'hello still' })
    writeFileSync(rulesFile, RULES.replace('direct', 'block').replace('drop', 'direct'))
    await until(() => client.errors.includes('new rules are in force'))
    expect(await lab.tcp(ADDRESSES.server[4], relay)).toMatchObject({ result: 'ECONNREFUSED' })
    expect(await lab.tcp(ADDRESSES.server[4], undecided, { text: 'now' })).toMatchObject({ text: 'hello now' })
    expect((await status()).rules).toEqual({ count: 3, mistakes: [] })
  })
})
