import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { ClientConfig } from '../../client/options.ts'
import { networkFileOf } from '../../shared/map/network.ts'
import { writeJson } from '../net/network-config.ts'
import { networkWith } from '../support/map-fixtures.ts'
import { DRIVER_PORTS } from './support/driver-ports.ts'
import { AS_SERVICE, InterceptionLab, OWN_GID } from './support/interception-lab.ts'
import { LineProcess } from './support/line-process.ts'
import { ADDRESSES, whyNoHosts } from './support/two-hosts.ts'

const UNITS = ['spn-block.service', 'spn.service'] as const
const FOLDER = 'deploy/systemd'
const { server: SERVER } = ADDRESSES
const FAMILIES = [4, 6] as const
/** What should not pass is waited for so long. */
const IN_VAIN = { timeoutMs: 300 }

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
if (!hasSystemd) console.warn('the check of the units is skipped: systemd-analyze is missing (Debian package systemd)')
const testSystemd = hasSystemd ? test : test.skip
const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of the service are skipped: ${impossible}`)

const unitText = (unit: string): string => readFileSync(join(FOLDER, unit), 'utf8')

/** The command of a line of a unit, with the places of this tree in place of an installed one's. */
function commandOf(unit: string, key: string, config: string): string[] {
  const line = new RegExp(`^${key}=(.*)$`, 'm').exec(unitText(unit))?.[1] ?? ''
  return line.replace('/opt/spn/', '').replace('/etc/spn/client.json', config).split(' ')
}

describe('the units of systemd', () => {
  testSystemd.each(UNITS)('are understood: %s', (unit) => {
    const folder = mkdtempSync(join(tmpdir(), 'spn-units-'))
    for (const one of UNITS) {
      // Programs of an installation that is not here.
      writeFileSync(join(folder, one), unitText(one).replaceAll(/=\/opt\/spn\/\S+/g, '=/bin/true'))
    }
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', join(folder, unit)], {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    })
    rmSync(folder, { recursive: true })
    expect([status, `${stdout}${stderr}`.split('\n').filter((line) => line.includes('spn'))]).toEqual([0, []])
  })

  test('close the computer before programs run, and do not open it for a shutdown or rescue mode', () => {
    const text = unitText('spn-block.service')
    expect(text).toMatch(/^DefaultDependencies=no$/m)
    expect(text).toMatch(/^Before=.*\bsysinit\.target\b/m)
    expect(text).not.toMatch(/^(Conflicts|PartOf|BindsTo)=/m)
    expect(text).toMatch(/^IgnoreOnIsolate=yes$/m)
  })

  test('run the daemon with one right, and kill it when it is stuck', () => {
    expect(unitText('spn.service')).toMatch(/^AmbientCapabilities=CAP_NET_ADMIN$/m)
    expect(unitText('spn.service')).toMatch(/^CapabilityBoundingSet=CAP_NET_ADMIN$/m)
    expect(unitText('spn.service')).toMatch(/^WatchdogSec=\d+$/m)
    expect(unitText('spn.sysusers.conf')).toContain(`g spn ${OWN_GID}\n`)
  })
})

describeHosts('the service', () => {
  const lab = new InterceptionLab()
  const folder = mkdtempSync(join(tmpdir(), 'spn-service-'))
  const daemons: LineProcess[] = []
  let config: string

  beforeAll(async () => {
    await lab.start()
    const { network } = networkWith(1, 1)
    const directories = network.directories.map((one) => ({ ...one, url: `http://${SERVER[4]}:9` }))
    const networkFile = writeJson(folder, 'network.json', networkFileOf({ ...network, directories }))
    const client: ClientConfig = { networkFile, stateDir: join(folder, 'state'), socks: null, intercept: {} }
    config = writeJson(folder, 'client.json', client)
    for (const file of [networkFile, config]) chmodSync(file, 0o644)
    chownSync(folder, OWN_GID, OWN_GID)
  })

  afterEach(async () => {
    for (const daemon of daemons.splice(0)) await daemon.kill()
    await run('spn-block.service', 'ExecStop')
  })

  afterAll(async () => {
    await lab.close()
    rmSync(folder, { recursive: true })
  })

  const run = async (unit: string, key: string) => {
    const [program = '', ...args] = commandOf(unit, key, config)
    return await lab.hosts.run('client', program, args)
  }

  async function start(env: Readonly<Record<string, string>> = {}): Promise<LineProcess> {
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    const args = [...settings, ...AS_SERVICE, ...commandOf('spn.service', 'ExecStart', config)]
    const daemon = new LineProcess(lab.hosts.spawn('client', 'env', args))
    daemons.push(daemon)
    await daemon.complaint('"client started"')
    return daemon
  }

  async function expectCutOff(): Promise<void> {
    const sent = await lab.sentByClient(async () => {
      for (const family of FAMILIES) {
        expect(await lab.tcp(SERVER[family], DRIVER_PORTS.reset, IN_VAIN)).not.toMatchObject({ result: 'ok' })
        expect(await lab.udp(SERVER[family], DRIVER_PORTS.relay, IN_VAIN)).not.toMatchObject({ text: 'datagram' })
      }
    })
    expect(sent).toEqual([])
  }

  test('intercepts as a user of its own with CAP_NET_ADMIN alone, and puts flushed rules back', async () => {
    const { client, first } = await lab.intercept({ unprivileged: true })
    expect(first).toEqual({ started: true })
    for (const family of FAMILIES) {
      expect(await lab.tcp(SERVER[family], DRIVER_PORTS.relay, { text: 'x' })).toMatchObject({ text: 'hello x' })
    }
    const rules = await lab.rules()
    await lab.hosts.run('client', 'nft', ['flush', 'ruleset'])
    while ((await lab.rules()).length < rules.length) await expectCutOff()
    expect(await lab.rules()).toEqual(rules)
    expect(client.messages.filter(({ warning }) => warning !== undefined)).toHaveLength(1)
    await lab.end(client)
    expect(await lab.rules()).toEqual([])
  })

  test('is closed from the boot on, over stops and starts of the daemon, until the blocking unit is stopped', async () => {
    expect((await run('spn-block.service', 'ExecStart')).stderr).toBe('')
    await expectCutOff()
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const daemon = await start()
      await expectCutOff()
      daemon.child.kill(signal)
      const sent = await lab.sentByClient(async () => {
        while (daemon.child.exitCode === null && daemon.child.signalCode === null) {
          await lab.udp(SERVER[4], DRIVER_PORTS.relay, IN_VAIN)
        }
      })
      expect(sent).toEqual([])
      await expectCutOff()
    }
    expect((await run('spn-block.service', 'ExecStop')).code).toBe(0)
    expect(await lab.rules()).toEqual([])
    expect(await lab.udp(SERVER[4], DRIVER_PORTS.relay)).toMatchObject({ text: 'datagram' })
  })

  test.each([
    ['is not JSON', () => '{ "intercept": {}, '],
    ['makes no rules', (whole: string) => JSON.stringify({ ...JSON.parse(whole), intercept: { direct: ['::/0'] } })],
  ])('is closed from the boot on where the configuration %s, and says what is wrong', async (_what, broken) => {
    const whole = readFileSync(config, 'utf8')
    writeFileSync(config, broken(whole))
    const { code, stderr } = await run('spn-block.service', 'ExecStart')
    writeFileSync(config, whole)
    expect([code, stderr]).toEqual([2, expect.stringContaining('the configuration is not valid')])
    await expectCutOff()
    expect((await run('spn-block.service', 'ExecStop')).code).toBe(0)
    expect(await lab.udp(SERVER[4], DRIVER_PORTS.relay)).toMatchObject({ text: 'datagram' })
  })

  test('tells systemd that it is ready, lives and ends', async () => {
    const socket = join(folder, 'notify')
    const receiver = new LineProcess(
      lab.hosts.spawn('client', 'python3', [
        '-uc',
        'import json,socket,sys,os\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nos.chmod(sys.argv[1],0o777)\nprint("{}")\nwhile True: print(json.dumps({"told":s.recv(999).decode()}))',
        socket,
      ]),
    )
    await receiver.next(() => true)
    const daemon = await start({ NOTIFY_SOCKET: socket })
    await receiver.next(({ told }) => told === 'READY=1')
    await receiver.next(({ told }) => told === 'WATCHDOG=1')
    daemon.child.kill('SIGSTOP')
    const told = receiver.messages.length
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(receiver.messages.length - told).toBeLessThanOrEqual(1)
    daemon.child.kill('SIGCONT')
    daemon.child.kill('SIGTERM')
    await receiver.next((message) => message.told === 'STOPPING=1')
    await receiver.kill()
  })
})
