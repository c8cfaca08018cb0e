import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { viewWire } from '../demo/checks.ts'
import { type Capture, capture } from '../world/capture.ts'
import { serveAddress, serveEcho, serveHttp } from '../world/destinations.ts'
import { GIT_ENV, type GitDestination, serveGit } from '../world/git-destination.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { serveSsh } from '../world/ssh-destination.ts'
import { describeWorld } from '../world/support.ts'

const HUBS = ['berlin', 'london', 'newYork', 'tokyo'] as const
/** Paris and Helsinki are reached through the network, Seoul past it, Cairo not at all, and nobody asks for Lima's name. */
const DESTINATIONS = ['paris', 'helsinki', 'seoul', 'cairo'] as const
const RULES = `global:
  rules: |
    direct seoul.test
    - cairo.test TCP
    - cairo.test UDP
    - cairo.test ICMP
    - lima.test
    drop quito.test
  default: tunnel
`
const ECHO_PORT = 7007
const ADDRESS_PORT = 1234
const UDP_PROGRAM = fileURLToPath(new URL('support/udp-program.py', import.meta.url))
/** curl's exit status: could not connect; could not resolve. */
const CURL_NO_CONNECT = 7
const CURL_NO_NAME = 6

/** The file that `python3` is in the end. */
const PYTHON = execFileSync('python3', ['-c', 'import os; print(os.path.basename(os.readlink("/proc/self/exe")))'], {
  encoding: 'utf8',
}).trim()

const folder = mkdtempSync(join(tmpdir(), 'spn-whole-'))
let spn: SpnWorld
let wire: Capture
let git: GitDestination
let ssh: readonly string[]

const curl = (family: string, url: string) =>
  spn.user.run('curl', [`-${family}`, '-sS', '--http1.1', '--max-time', '20', url], { timeoutMs: 40_000 })

const dig = async (...words: string[]): Promise<string[]> => {
  const stdout = await spn.user.mustRun('dig', ['+short', '+tries=2', '+time=5', ...words])
  return stdout.split('\n').filter((line) => line !== '')
}

const ping = (family: string, name: string) =>
  spn.user.run('ping', [`-${family}`, '-n', '-c', '2', '-i', '0.3', '-W', '5', name])

const udp = async (family: string, text: string, ...servers: string[]): Promise<string[]> =>
  JSON.parse(await spn.user.mustRun('python3', [UDP_PROGRAM, family, text, ...servers])) as string[]

const isHub = (address: string | undefined): boolean =>
  spn.hubs.some(({ host: { ipv4, ipv6 } }) => address === ipv4 || address === ipv6)
const userAddress = (family: string): string => (family === '4' ? spn.user.ipv4 : spn.user.ipv6)

describeWorld(describe, 'programs that know nothing of the network, on a computer with rules', () => {
  beforeAll(async () => {
    const rulesFile = join(folder, 'rules.yaml')
    writeFileSync(rulesFile, RULES)
    spn = await SpnWorld.create({
      ...{ hubs: HUBS, destinations: DESTINATIONS, userCity: 'warsaw', userNames: 'dns' },
      client: { rulesFile },
      names: { 'lima.test': ['paris'], 'quito.test': ['paris'] },
    })
    for (const city of DESTINATIONS) {
      const host = spn.destination(city)
      await Promise.all([serveHttp(host), serveEcho(host, ECHO_PORT), serveAddress(host, ADDRESS_PORT)])
    }
    git = await serveGit(spn.world, spn.destination('paris'))
    ssh = (await serveSsh(spn.world, spn.destination('paris'))).args
    wire = await capture(spn.world, spn.user)
    await spn.startClient()
  }, 120_000)

  afterAll(async () => {
    await spn?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(['+notcp', '+tcp'])('dig gets names, whomever it asks: %s', async (way) => {
    const paris = spn.destination('paris')
    expect(await dig(way, 'paris.test', 'A')).toEqual([paris.ipv4])
    expect(await dig(way, 'paris.test', 'AAAA')).toEqual([paris.ipv6])
    expect(await dig(way, '@192.0.2.53', 'paris.test', 'A')).toEqual([paris.ipv4])
  })

  test.each(['+notcp', '+tcp'])(
    'a question for a name that is blocked is refused, and reaches nobody: %s',
    async (way) => {
      expect(await spn.user.mustRun('dig', [way, '+tries=1', '+time=5', 'lima.test'])).toContain('status: REFUSED')
      expect((await curl('4', 'http://lima.test/address')).code).toBe(CURL_NO_NAME)
      expect((await spn.user.run('dig', [way, '+tries=1', '+time=2', 'quito.test'])).code).not.toBe(0)
      expect(spn.world.queries.filter(({ name }) => /^(lima|quito)\.test$/.test(name))).toEqual([])
    },
  )

  test.each(['4', '6'])('curl over IPv%s goes as the rules say', async (family) => {
    const [tunnelled, direct, blocked] = await Promise.all(
      ['paris', 'seoul', 'cairo'].map((name) => curl(family, `http://${name}.test/address`)),
    )
    expect([tunnelled?.code, isHub(tunnelled?.stdout.trim())]).toEqual([0, true])
    expect([direct?.code, direct?.stdout.trim()]).toEqual([0, userAddress(family)])
    expect(blocked?.code).toBe(CURL_NO_CONNECT)
  })

  test.each(['4', '6'])('ping over IPv%s is answered through the network and past it, and blocked', async (family) => {
    const [tunnelled, direct, blocked] = await Promise.all(
      ['paris', 'seoul', 'cairo'].map((name) => ping(family, `${name}.test`)),
    )
    expect(tunnelled?.stdout).toContain('2 received')
    expect(direct?.stdout).toContain('2 received')
    expect([blocked?.stdout.includes('0 received'), blocked?.code]).toEqual([true, 1])
  })

  test.each(['4', '6'])('datagrams over IPv%s are echoed as the rules say', async (family) => {
    const ask = (name: string) => udp(family, 'hello', `${name}.test`, `${ECHO_PORT}`)
    expect(await ask('paris')).toEqual(['hello'])
    expect(await ask('seoul')).toEqual(['hello'])
    const [answer] = await ask('cairo')
    expect(answer).toMatch(family === '4' ? /No route to host/ : /Permission denied/)
  })

  test.each(['4', '6'])('two servers see one socket at one address and port of one hub: IPv%s', async (family) => {
    const servers = ['paris.test', `${ADDRESS_PORT}`, 'helsinki.test', `${ADDRESS_PORT}`]
    const [first, second] = await udp(family, 'who am I', ...servers)
    expect(second).toBe(first)
    expect(isHub(first?.split(' ')[0])).toBe(true)
    const direct = await udp(family, 'who am I', 'seoul.test', `${ADDRESS_PORT}`)
    expect(direct[0]?.split(' ')[0]).toBe(userAddress(family))
  })

  test('git and ssh work', async () => {
    const clone = join(folder, 'clone')
    await spn.user.mustRun('git', ['clone', '--quiet', git.url, clone], { env: GIT_ENV })
    const head = await spn.user.mustRun('git', ['-C', clone, 'rev-parse', 'HEAD'], { env: GIT_ENV })
    expect(head.trim()).toBe(git.commit)
    expect((await spn.user.mustRun('ssh', [...ssh, 'echo', 'hello'])).trim()).toBe('hello')
  })

  test('the list of connections names programs, names and paths', async () => {
    const connections = await spn.connections()
    const ofCurl = connections.find(({ app, name }) => app?.path.endsWith('/curl') === true && name === 'paris.test')
    expect([ofCurl?.by, ofCurl?.path.length]).toEqual(['intercepted', 3])
    const refused = connections.filter(({ fault }) => fault === 'rule-blocked')
    const { ipv4, ipv6 } = spn.destination('cairo')
    const told = refused.map(({ name, target, app }) => `${name} ${target} ${app?.path.split('/').at(-1)}`)
    expect(told).toEqual(
      expect.arrayContaining([
        ...[`cairo.test ${ipv4}:80 curl`, `cairo.test [${ipv6}]:80 curl`],
        ...[`cairo.test ${ipv4}/echo ping`, `cairo.test ${ipv6}/echo ping`],
        ...[`cairo.test ${ipv4}:${ECHO_PORT}/udp ${PYTHON}`, `cairo.test [${ipv6}]:${ECHO_PORT}/udp ${PYTHON}`],
        ...['lima.test lima.test/dns dig', 'lima.test lima.test/dns curl'],
      ]),
    )
    const dropped = connections.filter(({ name, fault }) => name === 'quito.test' && fault === 'rule-dropped')
    expect(dropped.length).toBeGreaterThan(0)
  })

  test('nothing else has crossed the wire: the home hub, and the destination that a rule makes direct', async () => {
    const status = (await spn.ask('status')) as { home: { city: string } }
    const home = spn.hubs.find(({ city }) => city.place.city === status.home.city)
    const seoul = spn.destination('seoul')
    const packets = await wire.stop()
    const others = packets.filter(({ ip }) => ip === undefined || !isOf(seoul, ip.source, ip.destination))
    const view = viewWire(others, {
      homeAddresses: home === undefined ? [] : [home.host.ipv4, home.host.ipv6],
      linkPort: 443,
      directoryAddresses: [spn.directory.ipv4, spn.directory.ipv6],
    })
    expect(view.other).toEqual([])
    expect(view.tlsMistakes).toEqual([])
    expect(packets.length - others.length).toBeGreaterThan(10)
  })
})

function isOf({ ipv4, ipv6 }: { ipv4: string; ipv6: string }, ...addresses: string[]): boolean {
  return addresses.some((address) => address === ipv4 || address === ipv6)
}
