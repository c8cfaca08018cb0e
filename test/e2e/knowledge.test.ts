import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ConnectionView } from '../../client/connection-list.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { tlsMistakes } from '../demo/checks.ts'
import { until } from '../support/until.ts'
import { capture } from '../world/capture.ts'
import { serveHttp } from '../world/destinations.ts'
import { SOCKS_PORT, SpnWorld, type WorldHub } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'
import { tlsSessions } from '../world/tls-sessions.ts'
import { findInMemory } from './support/process-memory.ts'

/** What is looked for must not be made anywhere near by chance, and must be told apart from what this test itself says. */
const NAME = 'a-most-peculiar-destination.test'
const PAYLOAD = 'the-words-that-only-the-two-ends-know'

let spn: SpnWorld
let path: WorldHub[]

describeWorld(describe, 'what each hub knows of a connection', () => {
  beforeAll(async () => {
    spn = await SpnWorld.create({
      hubs: ['berlin', 'london', 'newYork', 'tokyo', 'sydney'],
      destinations: ['seoul'],
      userCity: 'warsaw',
      names: { [NAME]: ['seoul'] },
      client: { logLevel: 'debug' },
      hub: { logLevel: 'debug' },
    })
    await serveHttp(spn.destination('seoul'))
  })

  afterAll(async () => {
    await spn?.close()
  })

  test('home knows no destination, exit knows no user, relays know neither', async () => {
    await spn.startClient()
    // Takes half a minute, so that it is still going on while memory is read.
    const body = ['--data-binary', PAYLOAD.repeat(3_000), '--limit-rate', '4k']
    const curl = ['-sS', '--socks5-hostname', `127.0.0.1:${SOCKS_PORT}`, ...body, `http://${NAME}/echo`]
    const sending = spn.user.spawn('curl', curl)
    const isOurs = ({ target, state }: ConnectionView): boolean => target.startsWith(NAME) && state === 'open'
    const connection = await until<ConnectionView>(async () => (await spn.connections()).find(isOurs))
    path = connection.path.map(({ city }) => spn.hubs.find((hub) => hub.city.place.city === city)!)
    expect(path).toHaveLength(3)

    const seoul = spn.destination('seoul')
    const wanted = {
      name: utf8(NAME),
      payload: utf8(PAYLOAD),
      'destination IPv6': parseIp(seoul.ipv6)!,
      'destination IPv6 text': utf8(seoul.ipv6),
      'destination IPv4 text': utf8(seoul.ipv4),
      'user IPv4 text': utf8(spn.user.ipv4),
      'user IPv6 text': utf8(spn.user.ipv6),
    }
    const knows = (hub: WorldHub) => {
      if (!hub.process.running) throw new Error(hub.process.lines.join('\n'))
      return findInMemory(hub.process.pid, wanted)
    }
    const [home, relay, exit] = path as [WorldHub, WorldHub, WorldHub]
    // The last one that something comes to.
    await until(() => knows(exit).includes('payload'))
    expect(knows(home).every((what) => what.startsWith('user'))).toBe(true)
    expect(knows(home)).toContain(homeLinkFamily())
    expect(knows(relay)).toEqual([])
    expect(knows(exit)).toEqual(expect.arrayContaining(['name', 'payload']))
    expect(knows(exit).some((what) => what.startsWith('user'))).toBe(false)
    // The second home has a link, and no part in this.
    const { secondHome } = (await spn.ask('status')) as { secondHome: { city: string } }
    const second = spn.hubs.find(({ city }) => city.place.city === secondHome.city)!
    expect(path).not.toContain(second)
    expect(knows(second).every((what) => what.startsWith('user'))).toBe(true)
    for (const other of spn.hubs.filter((hub) => hub !== second && !path.includes(hub)))
      expect(knows(other)).toEqual([])
    expect(sending.running).toBe(true)
    sending.kill('SIGKILL')
    await sending.exited
  })

  test('between hubs there is only TLS 1.3 with X25519MLKEM768, in writes of whole units', async () => {
    const [, relay] = path as [WorldHub, WorldHub]
    relay.process.kill('SIGTERM') // so that its links are made anew while the wire is watched
    await relay.process.exited
    const wire = await capture(spn.world, relay.host)
    await spn.startHub(relay)
    const addresses = spn.hubs.flatMap(({ host }) => [host.ipv4, host.ipv6])
    const linked = async (): Promise<boolean> => {
      const { stdout } = await relay.host.run('ss', ['-Htn', 'state', 'established'])
      const others = addresses.filter((address) => address !== relay.host.ipv4 && address !== relay.host.ipv6)
      return others.some((address) => stdout.includes(`${address}:`) || stdout.includes(`[${address}]:`))
    }
    // Paths are chosen by chance, and only once a map says that this relay is back: until one leads over it.
    const patience = Date.now() + 120_000
    for (let i = 0; Date.now() < patience && (i < 12 || !(await linked())); i++)
      await spn.user.run('curl', ['-sS', '--max-time', '30', `http://${spn.destination('seoul').ipv4}/address`])
    expect(await linked()).toBe(true)
    const packets = await wire.stop()
    const between = packets.filter(
      ({ ip }) => ip && addresses.includes(ip.source) && addresses.includes(ip.destination),
    )
    expect(tlsSessions(between).length).toBeGreaterThan(0)
    const others = between.filter(
      ({ ip }) => ip?.protocol !== 6 || (ip.sourcePort !== 443 && ip.destinationPort !== 443),
    )
    expect(others).toEqual([])
    expect(
      tlsMistakes(
        between.filter(({ ip }) => ip?.protocol === 6),
        443,
      ),
    ).toEqual([])
  })

  test('no log of any program names a user, a destination or a key, at any level', async () => {
    const seoul = spn.destination('seoul')
    const programs = { client: spn.client!, directory: spn.directoryProcess!, ...hubProcesses() }
    const secrets = secretTexts()
    expect(secrets.length).toBeGreaterThan(6)
    for (const [program, { lines }] of Object.entries(programs)) {
      const log = lines.join('\n')
      expect(log.length).toBeGreaterThan(100)
      for (const text of [NAME, PAYLOAD, seoul.ipv4, seoul.ipv6, spn.user.ipv4, spn.user.ipv6, ...secrets]) {
        expect({ program, has: log.includes(text) ? text : undefined }).toEqual({ program, has: undefined })
      }
    }
  })

  test('no state file names a user or a destination', () => {
    const seoul = spn.destination('seoul')
    const folders = [...spn.hubs.map(({ host }) => host.name), 'directory', 'client'].map((name) =>
      join(spn.world.folder, name),
    )
    for (const file of folders.flatMap(filesIn)) {
      const content = readFileSync(file).toString('latin1')
      for (const text of [NAME, PAYLOAD, seoul.ipv4, spn.user.ipv4]) {
        expect({ file, has: content.includes(text) }).toEqual({ file, has: false })
      }
    }
  })
})

function homeLinkFamily(): string {
  const { ipv4 } = spn.user
  const home = path[0] as WorldHub
  return findInMemory(home.process.pid, { v4: utf8(ipv4) }).length > 0 ? 'user IPv4 text' : 'user IPv6 text'
}

function hubProcesses(): Record<string, { lines: readonly string[] }> {
  return Object.fromEntries(spn.hubs.map((hub) => [hub.host.name, hub.process]))
}

/** Private keys of all programs in the ways in which they could be printed. */
function secretTexts(): string[] {
  const files = spn.hubs.flatMap(({ host }) =>
    ['identity.key', 'circuit.keys'].map((name) => join(spn.world.folder, host.name, name)),
  )
  return [...files, join(spn.world.folder, 'directory', 'directory.key')].filter(existsSync).flatMap((file) => {
    const key = readFileSync(file).subarray(-32)
    return [key.toString('hex'), key.toString('base64').slice(0, 40)]
  })
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile())
}
