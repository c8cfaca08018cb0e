import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { NetworkFile } from '../../shared/map/network.ts'
import { capture } from '../world/capture.ts'
import { serveHttp } from '../world/destinations.ts'
import type { Packet } from '../world/packet.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'

const HUBS = ['berlin', 'london', 'newYork', 'tokyo', 'sydney'] as const
/** Those that the network file names at last. */
const BOOTSTRAP = ['london', 'tokyo'] as const
const LINK_PORT = 443
const LIFE_S = 20

interface Status {
  readonly map?: { readonly epoch: number; readonly validUntil: number; readonly from: string }
}

describeWorld(describe, 'a client whose directories are all blocked', () => {
  let spn: SpnWorld

  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{ hubs: HUBS, destinations: ['paris'], userCity: 'warsaw' },
      directory: { epochSeconds: 2, mapLifeEpochs: LIFE_S / 2 },
    })
    await serveHttp(spn.destination('paris'))
  }, 180_000)
  afterAll(async () => spn?.close())

  const map = async (): Promise<NonNullable<Status['map']>> => {
    const { map: known } = (await spn.ask('status')) as Status
    if (known === undefined) throw new Error('no map')
    return known
  }
  /** Where the first map came from that the client used: there is a new one every two seconds. */
  const firstMap = (): { readonly from: string; readonly epoch: number } => {
    const line = spn.client?.lines.find((text) => text.includes('"hub map in use"'))
    return JSON.parse(line ?? '{}') as { from: string; epoch: number }
  }
  const reaches = (): Promise<string> =>
    spn.user.mustRun('curl', ['-sS', '--max-time', '20', `http://${spn.destination('paris').ipv4}/address`])
  const hubOf = ({ ip }: Packet): string | undefined => {
    const addresses = [ip?.source, ip?.destination]
    return HUBS.find((city) => {
      const { host } = spn.hubOf(city)
      return addresses.includes(host.ipv4) || addresses.includes(host.ipv6)
    })
  }

  /** Starts the client, and says with whom its computer spoke until it was protected. */
  async function join(): Promise<Set<string | undefined>> {
    const wire = await capture(spn.world, spn.user, 'router')
    await spn.startClient()
    const own = [spn.user.ipv4, spn.user.ipv6]
    const packets = (await wire.stop()).filter(
      ({ ip }) => ip !== undefined && (own.includes(ip.source) || own.includes(ip.destination)),
    )
    const answers = packets.filter(({ ip }) => ip?.source === spn.directory.ipv4)
    expect(answers).toEqual([])
    expect(packets.some(({ ip }) => ip?.destination === spn.directory.ipv4)).toBe(true)
    return new Set(packets.filter(({ ip }) => ip?.destination !== spn.directory.ipv4).map(hubOf))
  }

  test('joins through hubs of a map that is over, and goes through the network', async () => {
    await spn.startClient()
    expect((await map()).from).toBe('directories')
    const { validUntil, epoch } = await map()
    await spn.stopClient()
    for (const [program, address] of [
      ['iptables', spn.directory.ipv4],
      ['ip6tables', spn.directory.ipv6],
    ] as const) {
      const user = program === 'iptables' ? spn.user.ipv4 : spn.user.ipv6
      await spn.world.internet.mustRun(program, ['-I', 'FORWARD', '-s', user, '-d', address, '-j', 'DROP'])
    }
    await sleep(Math.max(0, validUntil * 1000 - Date.now()) + 1_000)
    const talked = await join()
    expect(talked).not.toContain(undefined)
    expect(spn.client?.lines.some((line) => line.includes('map-expired'))).toBe(true)
    expect(firstMap().from).toBe('hubs')
    expect(firstMap().epoch).toBeGreaterThan(epoch)
    const exits = spn.hubs.map(({ host }) => host.ipv4)
    expect(exits).toContain((await reaches()).trim())
    await spn.stopClient()
  }, 120_000)

  test('joins with nothing but the network file, by the hubs that it names', async () => {
    rmSync(spn.clientStateDir, { recursive: true })
    const file = JSON.parse(readFileSync(spn.networkFile, 'utf8')) as NetworkFile
    const hubs = BOOTSTRAP.map((city) => {
      const { host, process: hub } = spn.hubOf(city)
      const started = hub.lines.find((line) => line.includes('"hub started"'))
      return { id: (JSON.parse(started ?? '{}') as { id: string }).id, addresses: [`${host.ipv4}:${LINK_PORT}`] }
    })
    writeFileSync(spn.networkFile, JSON.stringify({ ...file, hubs }))
    const talked = await join()
    expect(talked).not.toContain(undefined)
    // Those that the file names, and the two homes that the map gave.
    expect([...talked].filter((city) => !BOOTSTRAP.some((one) => one === city)).length).toBeLessThanOrEqual(2)
    expect(firstMap().from).toBe('hubs')
    expect(spn.hubs.map(({ host }) => host.ipv4)).toContain((await reaches()).trim())
  }, 120_000)

  test('gets the maps that follow through circuits, for the directories answer there', async () => {
    await spn.client?.line(/"from":"directories".*"hub map in use"/)
  }, 120_000)
})
