import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { ClientConfig } from '../../client/options.ts'
import { networkFileOf } from '../../shared/map/network.ts'
import { writeJson } from '../net/network-config.ts'
import { networkWith } from '../support/map-fixtures.ts'
import { DRIVER_PORTS } from './support/driver-ports.ts'
import { InterceptionLab, OWN_GID } from './support/interception-lab.ts'
import { LineProcess } from './support/line-process.ts'
import { ADDRESSES, whyNoHosts } from './support/two-hosts.ts'

const SPN = 'deploy/bin/spn'
const { server: SERVER, other: OTHER } = ADDRESSES
const FAMILIES = [4, 6] as const
const PORT = DRIVER_PORTS.relay
const STRANGER = 12_345
/** What may pass is waited for so long, also on a busy computer, and what may not so long. */
const ANSWER_MS = 30_000
const SILENCE_MS = 400
const IN_VAIN = { timeoutMs: SILENCE_MS }
const PAUSE_SECONDS = 12
/** With it the kernel tracks connections before and after the client, too. */
const ITS_RULE = '-m conntrack --ctstate ESTABLISHED -m mark --mark 7 -j ACCEPT'
const HOOKS = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'OUTPUT', 'POSTROUTING'],
  raw: ['OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
} as const

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of the states of protection are skipped: ${impossible}`)

describeHosts('the protection', () => {
  const lab = new InterceptionLab()
  const folder = mkdtempSync(join(tmpdir(), 'spn-protection-'))
  const daemons: LineProcess[] = []
  let config: string
  let before: string

  beforeAll(async () => {
    await lab.start()
    for (const host of [SERVER, OTHER]) {
      for (const family of FAMILIES) await lab.command(lab.server, { op: 'listen', host: host[family], port: 80 })
    }
    const { network } = networkWith(1, 1)
    // Nobody answers there: the client waits for its first map all the time.
    const directories = network.directories.map((one) => ({ ...one, url: `http://${SERVER[4]}:9` }))
    const networkFile = writeJson(folder, 'network.json', networkFileOf({ ...network, directories }))
    const client: ClientConfig = { networkFile, stateDir: join(folder, 'state'), socks: null, intercept: {} }
    config = writeJson(folder, 'client.json', client)
    chmodSync(folder, 0o755)
    chmodSync(config, 0o644)
    // A firewall of somebody else in every hook that the rules use: its tables and chains are there before and after.
    for (const program of ['iptables', 'ip6tables']) {
      for (const [table, hooks] of Object.entries(HOOKS)) {
        for (const hook of hooks) {
          await lab.hosts.run('client', program, ['-t', table, '-A', hook, ...ITS_RULE.split(' ')])
        }
      }
    }
    before = await firewall()
  })

  afterEach(async () => {
    for (const daemon of daemons.splice(0)) await daemon.kill()
    await spn('off', '--really')
    expect(await firewall()).toBe(before)
  })

  afterAll(async () => {
    await lab.close()
    rmSync(folder, { recursive: true })
  })

  /** Everything that anybody has in the firewall. */
  async function firewall(): Promise<string> {
    const commands = [['iptables-save'], ['ip6tables-save'], ['nft', 'list', 'ruleset']] as const
    const texts: string[] = []
    for (const [program, ...args] of commands) texts.push((await lab.hosts.run('client', program, args)).stdout)
    return texts.join('').replace(/^#.*|\[\d+:\d+\]|packets \d+ bytes \d+/gm, '')
  }

  const spn = (command: string, ...args: string[]) =>
    lab.hosts.run('client', SPN, [command, '--config', config, ...args], { gid: OWN_GID })

  async function start(): Promise<LineProcess> {
    const daemon = new LineProcess(lab.hosts.spawn('client', SPN, ['run', '--config', config], { gid: OWN_GID }))
    daemons.push(daemon)
    await daemon.complaint('"client started"')
    return daemon
  }

  async function protection(): Promise<Record<string, unknown>> {
    const { stdout, stderr } = await spn('status')
    expect(stderr).toBe('')
    return (JSON.parse(stdout) as { protection: Record<string, unknown> }).protection
  }

  /** What an ordinary program gets within so long: TCP, UDP and ICMP of both families. */
  function reaches(timeoutMs: number): Promise<boolean[]> {
    const wait = `-w${Math.ceil(timeoutMs / 1_000)}`
    return Promise.all(
      FAMILIES.flatMap((family) => [
        lab.tcp(SERVER[family], PORT, { text: 'x', timeoutMs }).then(({ text }) => text === 'hello x'),
        lab.udp(SERVER[family], PORT, { timeoutMs }).then(({ text }) => text === 'datagram'),
        lab.hosts.run('client', 'ping', ['-c1', wait, SERVER[family]]).then(({ code }) => code === 0),
      ]),
    )
  }
  const ALL = [true, true, true, true, true, true]
  const NONE = ALL.map(() => false)

  async function expectOpen(): Promise<void> {
    expect(await reaches(ANSWER_MS)).toEqual(ALL)
  }

  async function expectCutOff(): Promise<void> {
    expect(await lab.sentByClient(async () => expect(await reaches(SILENCE_MS)).toEqual(NONE))).toEqual([])
  }

  test('says why there is none yet, and lets out what it promises', async () => {
    await (await start()).complaint('hub map not fetched')
    expect(await protection()).toMatchObject({ state: 'starting', open: [] })
    await lab.command(lab.server, { op: 'listen', host: SERVER[4], port: 67 })
    await lab.command(lab.server, { op: 'listen', host: SERVER[6], port: 547 })
    const root = lab.probe('client', 0)
    for (const [family, localPort, port] of [
      [4, 68, 67],
      [6, 546, 547],
    ] as const) {
      const dhcp = { op: 'udp', host: SERVER[family], port, text: 'datagram' }
      const asked = await lab.command(root, { ...dhcp, localPort })
      expect(asked).toMatchObject({ text: 'datagram' })
      const other = { ...dhcp, localPort: localPort + 1, ...IN_VAIN }
      expect(await lab.command(root, other)).not.toMatchObject({ text: 'datagram' })
    }
    await root.kill()
    await expectCutOff()
  })

  test('is paused for a while and says so, and not longer than it is told', async () => {
    await start()
    await expectCutOff()
    const paused = JSON.parse((await spn('pause', '--minutes', '1')).stdout) as object
    expect(paused).toMatchObject({ state: 'paused', mayLeave: ['everything, as if there were no client'] })
    expect(await protection()).toEqual(paused)
    await expectOpen()
    const held = await lab.command(lab.app, { op: 'hold', host: SERVER[4], port: PORT })
    expect((await spn('resume')).code).toBe(0)
    expect(await protection()).toMatchObject({ state: 'starting', open: [] })
    // What began in the pause ends with it.
    const sent = await lab.sentByClient(async () => {
      expect(await lab.command(lab.app, { op: 'write', of: held.id })).toMatchObject({
        result: 'ECONNRESET',
      })
    })
    expect(sent.filter((line) => line.includes(`.${PORT}:`))).toEqual([])
    await expectCutOff()
    expect((await spn('pause', '--minutes', '0')).stderr).toContain('--minutes: must be 1 to 1440')
  })

  test('is back after a pause also when nobody is there to end it: the kernel does', async () => {
    const { client } = await lab.intercept()
    client.send({ open: PAUSE_SECONDS })
    const { opened } = await client.next((message) => 'opened' in message)
    await expectOpen()
    await client.kill()
    while (Date.now() < Number(opened)) await reaches(SILENCE_MS)
    await expectCutOff()
    await lab.cleanUp()
  })

  test('is not paused any more after a restart', async () => {
    const daemon = await start()
    await spn('pause', '--minutes', '1')
    await daemon.kill()
    await expectOpen()
    await start()
    expect(await protection()).toMatchObject({ state: 'starting' })
    await expectCutOff()
  })

  test('opens one address for web pages, and nothing else', async () => {
    await start()
    for (const family of FAMILIES) expect((await spn('portal', '--minutes', '1', OTHER[family])).stderr).toBe('')
    for (const family of FAMILIES) {
      expect(await lab.tcp(OTHER[family], 80, { text: 'x' })).toMatchObject({ text: 'hello x' })
      expect(await lab.tcp(OTHER[family], PORT, IN_VAIN)).not.toMatchObject({ result: 'ok' })
      expect(await lab.tcp(SERVER[family], 80, IN_VAIN)).not.toMatchObject({ result: 'ok' })
      expect(await lab.udp(OTHER[family], PORT, IN_VAIN)).not.toMatchObject({ text: 'datagram' })
    }
    const { open } = await protection()
    expect(open).toMatchObject([{ what: 'portal' }, { what: 'portal' }])
    await expectCutOff()
  })

  test('is there without a daemon: spn block, and a daemon takes over from it', async () => {
    expect((await spn('block')).stderr).toBe('')
    await expectCutOff()
    const daemon = await start()
    expect((await spn('block')).stderr).toContain('the daemon is running')
    await daemon.kill()
    await expectCutOff()
  })

  test.each([
    ['runs', undefined],
    ['is stuck', 'SIGSTOP'],
    ['is dead', 'SIGKILL'],
  ] as const)('goes with spn off --really where the daemon %s', async (_, signal) => {
    const daemon = await start()
    if (signal !== undefined) daemon.child.kill(signal)
    if (signal === 'SIGKILL') await daemon.ended()
    else expect((await spn('off')).stderr).toContain('the daemon is running')
    const { code, stderr } = await spn('off', '--really')
    expect([code, stderr]).toEqual([0, ''])
    expect(await firewall()).toBe(before)
    await expectOpen()
  })

  test('gives sockets that send all the time their own way again, when it is switched off after its death', async () => {
    const { client } = await lab.intercept()
    const asked = (family: 4 | 6) => lab.udp(SERVER[family], PORT, { localPort: 40_300 + family })
    for (const family of FAMILIES) expect(JSON.parse((await asked(family)).text)).toMatchObject({ text: 'datagram' })
    await client.kill()
    expect((await spn('off')).stderr).toBe('')
    for (const family of FAMILIES) expect(await asked(family)).toMatchObject({ text: 'datagram' })
  })

  test('obeys its own user and root alone (row 53)', async () => {
    await start()
    const asStranger = (command: string, ...args: string[]) =>
      lab.hosts.run('client', SPN, [command, '--config', config, ...args], { uid: STRANGER, gid: OWN_GID })
    for (const command of [['pause', '--minutes', '1'], ['status'], ['off', '--really']] as const) {
      const { code, stdout } = await asStranger(...(command as readonly [string, ...string[]]))
      expect([command, code, stdout]).toEqual([command, 1, ''])
    }
    // Also where somebody opened the folder: the socket has rights of its own.
    chmodSync(join(folder, 'state'), 0o755)
    expect((await asStranger('pause', '--minutes', '1')).code).toBe(1)
    expect(await protection()).toMatchObject({ state: 'starting' })
    await expectCutOff()
  })
})
