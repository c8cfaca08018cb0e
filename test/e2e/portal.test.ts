import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { describe as describePacket, isDiscovery } from '../demo/checks.ts'
import { ROOT } from '../support/program.ts'
import { type Capture, capture } from '../world/capture.ts'
import { serveHttp } from '../world/destinations.ts'
import { type Packet, TCP, UDP } from '../world/packet.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'

const SPN = join(ROOT, 'deploy/bin/spn')
const LINK_PORT = 443
const DNS_PORT = 53
const WEB_PORT = 80

let spn: SpnWorld
let wire: Capture

/** As the user of this computer, who is not in the group of the client. */
const portal = (to: string) => spn.user.run(SPN, ['portal', '--minutes', '5', '--config', spn.clientConfig, to])

const seenBy = async (family: string, host: string): Promise<string> => {
  const url = `http://${host}/address`
  return (await spn.user.mustRun('curl', [`-${family}`, '-sS', '--max-time', '60', url])).trim()
}

const open = async () => {
  const { protection } = (await spn.ask('status')) as { protection: { state: string; open: { what: string }[] } }
  return protection.open.map(({ what }) => what)
}

const isHub = (address: string): boolean =>
  spn.hubs.some(({ host: { ipv4, ipv6 } }) => address === ipv4 || address === ipv6)

describeWorld(describe, 'a portal that is named', () => {
  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{ hubs: ['berlin', 'london', 'newYork'], destinations: ['paris', 'seoul'], userCity: 'warsaw' },
      userNames: 'dns',
    })
    for (const city of ['paris', 'seoul'] as const) await serveHttp(spn.destination(city))
    await spn.startClient()
    wire = await capture(spn.world, spn.user)
  })

  afterAll(() => spn?.close())

  test('that no resolver knows is told so', async () => {
    const { code, stdout, stderr } = await portal('no-such-name.test')
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('the name does not exist')
    expect(await open()).toEqual(['portal'])
  })

  test('of a computer whose resolver is one of its programs wants an address', async () => {
    const file = join(spn.world.folder, 'local-resolv.conf')
    writeFileSync(file, 'nameserver 127.0.0.53\n')
    const command = `mount --bind ${file} /etc/resolv.conf && exec ${SPN} portal --minutes 5 --config ${spn.clientConfig} paris.test`
    const { code, stderr } = await spn.user.run('unshare', ['--mount', 'sh', '-c', command])
    expect(code).toBe(2)
    expect(stderr).toContain('give the address')
  })

  test('is found by the resolvers of the network, and its web pages see this computer; nobody else does', async () => {
    const paris = spn.destination('paris')
    expect(isHub(await seenBy('4', 'paris.test'))).toBe(true)
    const { code, stdout, stderr } = await portal('paris.test')
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({ state: 'protected' })
    for (const [family, own] of [
      ['4', spn.user.ipv4],
      ['6', spn.user.ipv6],
    ] as const) {
      expect(await seenBy(family, 'paris.test')).toBe(own)
      expect(isHub(await seenBy(family, 'seoul.test'))).toBe(true)
    }
    const asked = (await wire.stop()).filter((packet) => !isDiscovery(packet))
    const resolvers = [spn.user.plan.ipv4?.gateway, spn.user.plan.ipv6?.gateway]
    const hubs = spn.hubs.flatMap(({ host }) => [host.ipv4, host.ipv6])
    const ends = ({ ip }: Packet, addresses: readonly unknown[], protocol: number, port: number): boolean =>
      ip?.protocol === protocol &&
      ((addresses.includes(ip.destination) && ip.destinationPort === port) ||
        (addresses.includes(ip.source) && ip.sourcePort === port))
    const toPortal = asked.filter((packet) => ends(packet, [paris.ipv4, paris.ipv6], TCP, WEB_PORT))
    const toResolvers = asked.filter((packet) => ends(packet, resolvers, UDP, DNS_PORT))
    const ofClient = asked.filter((packet) => ends(packet, hubs, TCP, LINK_PORT))
    const known = new Set([...toPortal, ...toResolvers, ...ofClient])
    expect(asked.filter((packet) => packet.ip !== undefined && !known.has(packet)).map(describePacket)).toEqual([])
    for (const packets of [toPortal, toResolvers, ofClient]) expect(packets).not.toEqual([])
  })
})
