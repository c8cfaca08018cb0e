import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { capture } from '../../world/capture.ts'
import type { IpPart } from '../../world/packet.ts'
import { SpnWorld } from '../../world/spn-world.ts'
import { describeWorld } from '../../world/support.ts'
import { straysOf } from '../support/strays.ts'

const NAME = 'paris.test'
/** What the routers of the world never carry: nobody answers there but the client. */
const NOWHERE = { 4: '192.0.2.53', 6: '2001:db8:ffff::53' } as const
/** Of the C library: one second for a name server, once. */
const IMPATIENT = { RES_OPTIONS: 'timeout:1 attempts:1' }
const PROTOCOLS: Readonly<Record<number, string>> = { 2: 'igmp', 6: 'tcp', 17: 'udp' }
/** All that `IN_OTHER_WAYS` sends: who may carry questions for names, by which port, or joins a group of those who answer them. */
const OTHER_WAYS = [
  ...['tcp 853', 'tcp 443', 'tcp 5355', 'tcp 5353', 'udp 853', 'udp 443', 'udp 5353', 'udp 5355', 'udp 137', 'udp 53'],
  ...['udp 1900', 'udp 3702', 'igmp 0'],
]

let spn: SpnWorld

/** Name servers of all kinds: those of the system, public ones, those that a rule makes direct, and some that are not there. */
function servers(): string[] {
  const [paris, direct] = [spn.destination('paris'), spn.destination('stockholm')]
  const { ipv4, ipv6 } = spn.user.plan
  const ofSystem = [ipv4?.gateway ?? '', ipv6?.gateway ?? '']
  return [...ofSystem, paris.ipv4, paris.ipv6, direct.ipv4, direct.ipv6, NOWHERE[4], NOWHERE[6]]
}

/** What each server answered to dig, by UDP and by TCP. */
function digAll(waitSeconds: number): Promise<string[]> {
  const dig = (...words: string[]) =>
    spn.user.run('dig', ['+short', '+tries=1', `+time=${waitSeconds}`, ...words, NAME, 'A'])
  const asked = servers().flatMap((server) => ['+notcp', '+tcp'].map((way) => dig(`@${server}`, way)))
  return Promise.all([...asked, dig('+search')].map(async (one) => (await one).stdout.trim()))
}

/** Questions for names by whatever other way there is, and programs that ask the system. */
async function otherWays(): Promise<void> {
  const { user } = spn
  const paris = spn.destination('paris')
  const short = ['+tries=1', '+time=1', NAME]
  await Promise.all([
    user.run('python3', ['-c', IN_OTHER_WAYS, user.plan.ipv4?.gateway ?? '', paris.ipv4, paris.ipv6, routerLinkLocal]),
    ...[paris.ipv4, paris.ipv6].flatMap((server) =>
      [['+tls'], ['+https'], ['-p', '5353'], ['-p', '853']].map((way) =>
        user.run('dig', [`@${server}`, ...way, ...short]),
      ),
    ),
    ...['host-without-domain', 'printer.local'].map((name) => user.run('getent', ['ahosts', name], { env: IMPATIENT })),
    user.run('curl', ['-sS', '--max-time', '2', `http://${NAME}/`]),
    user.run('ping', ['-c1', '-W1', NAME], { env: IMPATIENT }),
  ])
}

let routerLinkLocal = ''

/** What crossed the wire of the user meanwhile, besides the link home, the directory and discovery. */
async function leaked(during: () => Promise<unknown>): Promise<readonly string[]> {
  const wire = await capture(spn.world, spn.user)
  await during()
  return straysOf(spn, await wire.stop())
}

describeWorld(describe, 'questions for names (row 39)', () => {
  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{ hubs: ['berlin', 'london', 'newYork'], destinations: ['paris', 'stockholm'], userCity: 'warsaw' },
      userNames: 'dns',
      rules: (world) => {
        const { ipv4, ipv6 } = world.destination('stockholm')
        return `global:\n  rules:\n    - direct ${ipv4}\n    - direct ${ipv6}\n  default: tunnel\n`
      },
    })
    const { stdout } = await spn.world.internet.run('ip', ['-6', '-br', 'address', 'show', 'dev', 'to-user'])
    routerLinkLocal = /fe80::[0-9a-f:]+/.exec(stdout)?.[0] ?? ''
  })

  afterAll(() => spn?.close())

  test('would be seen here if they left', async () => {
    const wire = await capture(spn.world, spn.user)
    await Promise.all([digAll(1), otherWays()])
    const sent = (await wire.stop()).flatMap(({ ip }) => (ip === undefined ? [] : [kindOf(ip)]))
    expect(sent).toEqual(expect.arrayContaining([...OTHER_WAYS, 'tcp 53']))
  })

  test('are answered through the network whomever they were for, and nothing of them leaves', async () => {
    await spn.startClient()
    const before = spn.world.queries.length
    const left = await leaked(async () => {
      const [answers] = await Promise.all([digAll(60), otherWays()])
      expect(answers).toEqual(answers.map(() => spn.destination('paris').ipv4))
    })
    expect(left).toEqual([])
    const askers = new Set(spn.world.queries.slice(before).map(({ from }) => from))
    const hubs = spn.hubs.flatMap(({ host }) => [host.ipv4, host.ipv6])
    expect([...askers].filter((from) => !hubs.includes(from))).toEqual([])
    expect(askers.size).toBeGreaterThan(0)
  })

  test('do not leave when the client was killed, and are not answered', async () => {
    await spn.killClient()
    const left = await leaked(async () => {
      const [answers] = await Promise.all([digAll(1), otherWays()])
      expect(answers.filter((text) => text === spn.destination('paris').ipv4)).toEqual([])
    })
    expect(left).toEqual([])
  })
})

function kindOf({ protocol, destinationPort }: IpPart): string {
  return `${PROTOCOLS[protocol] ?? protocol} ${destinationPort}`
}

/**
 * A question by multicast (mDNS, LLMNR, SSDP, WS-Discovery), by broadcast (NetBIOS), by QUIC's ports, and to neighbours, from ordinary sockets,
 * sockets that chose the interface, and raw ones.
 */
const IN_OTHER_WAYS = `
import socket, struct, sys
gateway, public4, public6, neighbour6 = sys.argv[1:]
DEVICE = 'eth0'
index = socket.if_nametoindex(DEVICE)
question = struct.pack('!6H', 1, 0x100, 1, 0, 0, 0) + b'\\x07printer\\x05local\\0' + struct.pack('!2H', 1, 1)
def udp(family, to, *options, port=0):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        for option in options: s.setsockopt(*option)
        s.bind(('', port))
        s.sendto(question, to)
    except OSError: pass
    return s
def tcp(family, to):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(0.2)
    try: s.connect(to)
    except OSError: pass
V4, V6 = socket.AF_INET, socket.AF_INET6
BOUND = (socket.SOL_SOCKET, 25, DEVICE.encode() + b'\\0')
choice = struct.pack('@i', index)
GROUPS4 = (('224.0.0.251', 5353), ('224.0.0.252', 5355), ('239.255.255.250', 1900), ('239.255.255.250', 3702))
GROUPS6 = (('ff02::fb', 5353), ('ff02::1:3', 5355), ('ff02::c', 1900), ('ff05::c', 3702))
kept = []
for group, port in GROUPS4:
    member = struct.pack('4sIi', socket.inet_aton(group), 0, index)
    for own in (0, port):
        kept.append(udp(V4, (group, port), (0, 32, member), (0, 35, member), port=own))
        kept.append(udp(V4, (group, port), BOUND, port=own))
for group, port in GROUPS6:
    member = socket.inet_pton(V6, group) + choice
    for own in (0, port):
        kept.append(udp(V6, (group, port, 0, index), (41, 17, choice), (41, 20, member), port=own))
        kept.append(udp(V6, (group, port, 0, index), BOUND, port=own))
for to in ('255.255.255.255', gateway.rsplit('.', 1)[0] + '.255'):
    for port in (137, 53, 5353): kept.append(udp(V4, (to, port), (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)))
for port in (53, 443, 853, 5353, 5355):
    for bound in ((), (BOUND,)):
        kept.append(udp(V4, (gateway, port), *bound))
        kept.append(udp(V4, (public4, port), *bound))
        kept.append(udp(V6, (public6, port), *bound))
        kept.append(udp(V6, (neighbour6, port, 0, index), *bound))
    tcp(V4, (gateway, port))
    tcp(V6, (public6, port))
    tcp(V6, (neighbour6, port, 0, index))
for host, family in ((gateway, V4), (public4, V4), (public6, V6)):
    try: socket.socket(family, socket.SOCK_RAW, 17).sendto(struct.pack('!4H', 40000, 53, 8 + len(question), 0) + question, (host, 0))
    except OSError: pass
`
