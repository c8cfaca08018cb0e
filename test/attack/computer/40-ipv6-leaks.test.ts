import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { formatIp } from '../../../shared/base/ip-address.ts'
import { capture } from '../../world/capture.ts'
import { serveEcho, serveHttp } from '../../world/destinations.ts'
import type { Packet } from '../../world/packet.ts'
import { SpnWorld, type SpnWorldOptions } from '../../world/spn-world.ts'
import { describeWorld } from '../../world/support.ts'
import { routerInterface } from '../../world/wires.ts'
import { addressesIn, advertise, believeRouters } from '../support/router-advertisement.ts'
import { straysOf } from '../support/strays.ts'

const WORLD: SpnWorldOptions = { hubs: ['berlin', 'london', 'newYork'], destinations: ['paris'], userCity: 'warsaw' }
const ECHO_PORT = 7
/** Networks that routers announce in mid-session. */
const FIRST = '2001:db8:7701::/64'
const SECOND = '2001:db8:7702::/64'
const LIFETIME_S = 1_800
/** The promise after a change of the network. */
const BACK_MS = 5_000
const GIVE_UP_MS = 30_000
const IPV4 = 0x0800
const IPV6 = 0x86dd
const ICMPV6 = 58
const SOLICITATION = 135

type Family = '4' | '6'

let spn: SpnWorld

/** As which address programs of the user are seen in Paris. */
async function seenAs(family: Family, ...flags: string[]): Promise<string> {
  return seenWithin(60, family, ...flags)
}

async function seenWithin(seconds: number, family: Family, ...flags: string[]): Promise<string> {
  const paris = spn.destination('paris')
  const host = family === '4' ? paris.ipv4 : `[${paris.ipv6}]`
  const { stdout } = await spn.user.run('curl', ['-sS', '--max-time', `${seconds}`, ...flags, `http://${host}/address`])
  return stdout.trim()
}

const isHub = (address: string): boolean => spn.hubs.some(({ host }) => [host.ipv4, host.ipv6].includes(address))

/** How long it takes until connections over this family go through the network. */
async function backAfter(family: Family): Promise<number> {
  const start = performance.now()
  while (performance.now() - start < GIVE_UP_MS)
    if (isHub(await seenWithin(2, family))) return performance.now() - start
  return Number.POSITIVE_INFINITY
}

/** What crossed the wire of the user. */
async function crossed(during: () => Promise<unknown>): Promise<Packet[]> {
  const wire = await capture(spn.world, spn.user)
  await during()
  return wire.stop()
}

/** What may not: all but the link home, the directory and discovery, where nobody may be told of Paris. */
function strays(packets: readonly Packet[]): string[] {
  const paris = spn.destination('paris').ipv6
  const asked = packets.flatMap(({ ip }) =>
    ip?.protocol === ICMPV6 && ip.payload[0] === SOLICITATION ? [formatIp(ip.payload.subarray(8, 24))] : [],
  )
  return [...straysOf(spn, packets), ...asked.filter((neighbour) => neighbour === paris)]
}

/** TCP, UDP, pings and raw packets to Paris, from each of these addresses, also bound to the device. */
async function useEveryWay(sources: readonly string[]): Promise<void> {
  await spn.user.mustRun('python3', ['-c', EVERY_WAY, spn.destination('paris').ipv6, `${ECHO_PORT}`, ...sources])
}

/** The router hands out addresses in a network, and knows the way to whoever takes one. */
async function announce(prefix: string, more: Parameters<typeof advertise>[2] = {}): Promise<void> {
  const gateway = prefix.replace('::/64', '::1/64')
  const device = routerInterface(spn.user.name)
  await spn.world.internet.mustRun('ip', ['-6', 'address', 'replace', gateway, 'dev', device, 'nodad'])
  await advertise(spn.world, spn.user, { ...more, prefixes: { ...more.prefixes, [prefix]: LIFETIME_S } })
  while ((await addressesIn(spn.user, prefix)).temporary.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function networkOfParis(): string {
  return `${spn.destination('paris').ipv6.replace(/::.*/, '')}::/64`
}

async function createWorld(userWithout: 'ipv4' | 'ipv6'): Promise<void> {
  spn = await SpnWorld.create({ ...WORLD, userWithout })
  await Promise.all([serveHttp(spn.destination('paris')), serveEcho(spn.destination('paris'))])
  await believeRouters(spn.user)
}

describeWorld(describe, 'IPv6 that comes in mid-session (row 40)', () => {
  beforeAll(async () => {
    await createWorld('ipv6')
    await spn.startClient()
  })

  afterAll(() => spn?.close())

  test('is taken into the network, whichever address a program uses', async () => {
    expect(isHub(await seenAs('4'))).toBe(true)
    expect(await seenWithin(2, '6')).toBe('')
    const packets = await crossed(async () => {
      await announce(FIRST)
      expect(await backAfter('6')).toBeLessThan(BACK_MS)
      const { lasting, temporary } = await addressesIn(spn.user, FIRST)
      for (const address of [...lasting, ...temporary]) {
        expect(isHub(await seenAs('6', '--interface', address))).toBe(true)
      }
      await useEveryWay([...lasting, ...temporary])
    })
    expect(strays(packets)).toEqual([])
  })

  test('is taken in too where the router says that destinations are on its wire, or behind it alone', async () => {
    const network = networkOfParis()
    const packets = await crossed(async () => {
      await announce(SECOND, { onLink: [network], routes: [network], nameServers: [spn.destination('paris').ipv6] })
      const routes = await spn.user.mustRun('ip', ['-6', 'route', 'show', network])
      expect(routes.trim().split('\n').length).toBeGreaterThan(0)
      expect(routes).toContain('proto ra')
      expect(await backAfter('6')).toBeLessThan(BACK_MS)
      const { lasting, temporary } = await addressesIn(spn.user, SECOND)
      await useEveryWay([...lasting, ...temporary])
    })
    expect(strays(packets)).toEqual([])
  })

  test('would leave without the client, and be seen here', async () => {
    await spn.stopClient()
    await spn.user.mustRun('ip', ['-6', 'route', 'flush', networkOfParis()])
    const { temporary } = await addressesIn(spn.user, FIRST)
    const packets = await crossed(() => useEveryWay(temporary))
    const kinds = new Set(strays(packets).map((text) => text.replace(/: .*/, '')))
    expect([...kinds]).toEqual(expect.arrayContaining(['protocol 6', 'protocol 17', 'protocol 58']))
  })
})

describeWorld(describe, 'a computer that has IPv6 alone (row 40)', () => {
  beforeAll(async () => {
    await createWorld('ipv4')
    await spn.startClient()
  })

  afterAll(() => spn?.close())

  test('reaches its home hub, and the world through it', async () => {
    const packets = await crossed(async () => {
      expect(isHub(await seenAs('6'))).toBe(true)
      await useEveryWay([spn.user.ipv6])
    })
    expect(strays(packets)).toEqual([])
    expect(packets.filter(({ etherType }) => etherType === IPV4)).toEqual([])
    expect(packets.filter(({ etherType }) => etherType === IPV6).length).toBeGreaterThan(0)
  })

  test('goes on by the addresses of another network when its own are taken away', async () => {
    const packets = await crossed(async () => {
      await announce(FIRST)
      await spn.user.mustRun('ip', ['-6', 'address', 'delete', `${spn.user.ipv6}/64`, 'dev', 'eth0'])
      await spn.user.mustRun('ip', ['-6', 'route', 'delete', 'default', 'via', spn.user.plan.ipv6?.gateway ?? ''])
      expect(await backAfter('6')).toBeLessThan(BACK_MS)
      const { lasting, temporary } = await addressesIn(spn.user, FIRST)
      await useEveryWay([...lasting, ...temporary])
      await spn.user.mustRun('ip', ['-6', 'address', 'add', `${spn.user.ipv6}/64`, 'dev', 'eth0', 'nodad'])
    })
    expect(strays(packets)).toEqual([])
  })

  test('has IPv4 that comes in mid-session taken into the network', async () => {
    const device = routerInterface(spn.user.name)
    const packets = await crossed(async () => {
      await spn.world.internet.mustRun('ip', ['address', 'add', '198.18.77.1/24', 'dev', device])
      await spn.user.mustRun('ip', ['address', 'add', '198.18.77.2/24', 'dev', 'eth0'])
      await spn.user.mustRun('ip', ['route', 'add', 'default', 'via', '198.18.77.1'])
      expect(await backAfter('4')).toBeLessThan(BACK_MS)
      await spn.user.run('ping', ['-c2', '-i0.2', '-W2', spn.destination('paris').ipv4])
    })
    expect(strays(packets)).toEqual([])
  })
})

const EVERY_WAY = `
import socket, struct, sys
host, port, *sources = sys.argv[1:]
V6 = socket.AF_INET6
KINDS = {'tcp': (socket.SOCK_STREAM, 0), 'udp': (socket.SOCK_DGRAM, 0), 'ping': (socket.SOCK_RAW, 58), 'raw': (socket.SOCK_RAW, 17)}
CONTENT = {
    'udp': b'hello',
    'ping': struct.pack('!BBHHH', 128, 0, 0, 1, 1),
    'raw': struct.pack('!HHHH', 40000, int(port), 8, 0),
}
for source in sources:
    for device in (b'', b'eth0\\0'):
        for kind, (type, protocol) in KINDS.items():
            s = socket.socket(V6, type, protocol)
            s.settimeout(0.3)
            if device: s.setsockopt(socket.SOL_SOCKET, 25, device)
            s.bind((source, 0))
            try:
                if kind == 'tcp': s.connect((host, int(port)))
                else: s.sendto(CONTENT[kind], (host, int(port) if kind == 'udp' else 0))
            except OSError: pass
`
