import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Description, PeerPage } from '../e2e/support/peer-page.ts'
import { stunMapping, WAYS, type Way } from '../e2e/support/user-programs.ts'
import { capture } from '../world/capture.ts'
import { STUN_PORTS, serveStun } from '../world/destinations.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'
import { routerInterface } from '../world/wires.ts'
import { straysOf } from './support/strays.ts'

/** The user's own network, behind a router that translates addresses, as homes have it. */
const PRIVATE = { 4: '192.168.7.', 6: 'fd00:7::' } as const
const OPEN = ['--disable-features=WebRtcHideLocalIpsWithMdns']
/** How Chromium tells pages the addresses of the computer: by made-up names (its own default), or as they are. */
const SHOWN = { 'with made-up names': [], 'with addresses of the computer': OPEN } as const
type Shown = keyof typeof SHOWN

let spn: SpnWorld
let peer: PeerPage
const pages = {} as Record<Shown, PeerPage>

const isHub = (address: string): boolean => spn.hubs.some(({ host }) => [host.ipv4, host.ipv6].includes(address))
/** Made up, or none. */
const isHidden = (address: string): boolean => address.endsWith('.local') || ['', '0.0.0.0', '::'].includes(address)
const isPrivate = (address: string): boolean => Object.values(PRIVATE).some((prefix) => address.startsWith(prefix))
const isOf = (way: Way, address: string): boolean =>
  way === 'a name with both' ? true : address.includes(':') === (way === 'IPv6')

/** The user's host gets private addresses; the router translates them to those that it had, and lets nobody else in. */
async function moveBehindRouter(): Promise<void> {
  const { user, world } = spn
  const device = routerInterface(user.name)
  const families = [
    { flag: '-4', prefix: PRIVATE[4], length: 24, last: '0', plan: user.plan.ipv4, program: 'iptables', more: [] },
    {
      flag: '-6',
      prefix: PRIVATE[6],
      length: 64,
      last: '',
      plan: user.plan.ipv6,
      program: 'ip6tables',
      more: ['nodad'],
    },
  ]
  for (const { flag, prefix, length, last, plan, program, more } of families) {
    const ip = [flag, 'address', 'add']
    await world.internet.mustRun('ip', [...ip, `${prefix}1/${length}`, 'dev', device, ...more])
    await user.mustRun('ip', [flag, 'address', 'flush', 'dev', 'eth0', 'scope', 'global'])
    await user.mustRun('ip', [...ip, `${prefix}2/${length}`, 'dev', 'eth0', ...more])
    await user.mustRun('ip', [flag, 'route', 'replace', 'default', 'via', `${prefix}1`])
    const match = ['-s', `${prefix}${last}/${length}`, '!', '-o', device]
    const translation = ['-j', 'SNAT', '--to-source', plan?.address ?? '']
    await world.internet.mustRun(program, ['-t', 'nat', '-A', 'POSTROUTING', ...match, ...translation])
    const within = ['-o', device, '-d', `${prefix}${last}/${length}`]
    await world.internet.mustRun(program, [
      '-I',
      'FORWARD',
      ...within,
      '-m',
      'conntrack',
      '!',
      '--ctstate',
      'ESTABLISHED',
      '-j',
      'DROP',
    ])
  }
}

/** Names of a STUN server that have only the addresses of this way. */
function stunServer(way: Way): string {
  const name = { IPv4: 'ipv4.paris.test', IPv6: 'ipv6.paris.test', 'a name with both': 'paris.test' }[way]
  return `stun:${name}:${STUN_PORTS[0]}`
}

/** Without the addresses that are not of this way. */
function sdpOf({ sdp }: Description, way: Way): string {
  const lines = sdp.split('\r\n')
  return lines.filter((line) => !line.startsWith('a=candidate:') || isOf(way, line.split(' ')[4] ?? '')).join('\r\n')
}

/** What crossed the wire of the user meanwhile, besides the link home, the directory and discovery. */
async function leaked(during: () => Promise<unknown>): Promise<readonly string[]> {
  const { user } = spn
  const wire = await capture(spn.world, user)
  await during()
  // The end of a capture is marked by a packet to this address.
  const mark = [`${user.plan.ipv4?.address}/32`, 'dev', 'eth0']
  await user.mustRun('ip', ['address', 'add', ...mark])
  const packets = await wire.stop()
  await user.mustRun('ip', ['address', 'delete', ...mark])
  return straysOf(spn, packets)
}

describeWorld(describe, 'a browser that tells others its addresses (row 55)', () => {
  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{
        hubs: ['berlin', 'london', 'newYork'],
        destinations: ['paris', 'seoul'],
        userCity: 'warsaw',
        userNames: 'dns',
      },
      names: { 'ipv4.paris.test': ['paris ipv4'], 'ipv6.paris.test': ['paris ipv6'] },
    })
    await moveBehindRouter()
    await Promise.all(['paris', 'seoul'].map((city) => serveStun(spn.destination(city as 'paris'))))
    const { folder } = spn.world
    const start = async (name: Shown): Promise<void> => {
      pages[name] = await PeerPage.start(spn.user, folder, SHOWN[name])
    }
    await Promise.all([...(Object.keys(SHOWN) as Shown[]).map(start)])
    peer = await PeerPage.start(spn.destination('paris'), folder, OPEN)
  })

  afterAll(() => spn?.close())

  test.each(['ipv4', 'ipv6'] as const)('would tell the %s address of the user without the client', async (family) => {
    const host = spn.destination('paris')[family]
    const server = `stun:${host.includes(':') ? `[${host}]` : host}:${STUN_PORTS[0]}`
    const { candidates } = await pages['with addresses of the computer'].offer([server])
    const seen = candidates.filter(({ type }) => type === 'srflx').map(({ address }) => address)
    expect(seen).toEqual([spn.user.plan[family]?.address])
  })

  describe('with the client', () => {
    beforeAll(() => spn.startClient())

    test.each((Object.keys(SHOWN) as Shown[]).flatMap((shown) => WAYS.map((way) => [shown, way] as const)))(
      '%s finds no address but that of the exit and private ones, and has a data channel by it: %s',
      async (shown, way) => {
        const left = await leaked(async () => {
          const offer = await pages[shown].offer([stunServer(way)])
          const told = offer.candidates.flatMap(({ address, related }) => [address, related])
          expect(told.filter((one) => !isHub(one) && !isPrivate(one) && !isHidden(one))).toEqual([])
          const seen = offer.candidates.filter(({ type }) => type === 'srflx').map(({ address }) => address)
          expect(seen.length).toBeGreaterThan(0)
          expect(seen.filter((address) => !isHub(address) || !isOf(way, address))).toEqual([])
          const answer = await peer.answer(sdpOf(offer, way))
          expect(await pages[shown].accept(sdpOf(answer, way))).toBe('you said hello')
          const from = await peer.otherEnd()
          expect(isHub(from)).toBe(true)
          expect(isOf(way, from)).toBe(true)
        })
        expect(left).toEqual([])
      },
    )

    test.each(WAYS)(
      'a STUN client is told the address of the exit, by two servers far from each other: %s',
      async (way) => {
        const left = await leaked(async () => {
          const address = await stunMapping(spn.user, way, [spn.destination('paris'), spn.destination('seoul')])
          expect(isHub(address)).toBe(true)
        })
        expect(left).toEqual([])
      },
    )
  })
})
