import net from 'node:net'
import { join } from 'node:path'
import { ROOT } from '../support/program.ts'
import { capture } from '../world/capture.ts'
import { type CityName, SOCKS_PORT, SpnWorld } from '../world/spn-world.ts'
import { viewWire, type WireExpectation, type WireView } from './checks.ts'
import { Tour } from './tour.ts'
import { table, tourTable } from './view.ts'

const HUBS: readonly CityName[] = [
  ...(['amsterdam', 'berlin', 'london', 'newYork', 'losAngeles', 'saoPaulo'] as const),
  ...(['tokyo', 'singapore', 'sydney', 'capeTown'] as const),
]
const DESTINATIONS: readonly CityName[] = ['paris', 'chicago', 'buenosAires', 'seoul', 'mumbai', 'nairobi']
const GIT_CITY: CityName = 'chicago'
const SSH_CITY: CityName = 'seoul'
const LINK_PORT = 443
const RECOVERY_LIMIT_MS = 5_000

/** The whole story in namespaces. True if everything was as it should be. */
export async function runInWorld(once: boolean): Promise<boolean> {
  const mistakes: string[] = []
  const check = (mistake: string | undefined): void => {
    if (mistake !== undefined) mistakes.push(mistake)
  }
  say('A world of network namespaces is being made: a directory, 10 hubs in 8 countries, 6 servers, one user machine.')
  const spn = await SpnWorld.create({ hubs: HUBS, destinations: DESTINATIONS, userCity: 'warsaw', delays: true })
  const tour = new Tour(spn, say)
  try {
    await tour.startServers(DESTINATIONS, GIT_CITY, SSH_CITY)
    const firewallBefore = await firewall(spn)
    const wire = await capture(spn.world, spn.user)
    await spn.startClient()
    say(spn.intercepts ? 'The client runs on the user machine and takes every connection.' : NO_RIGHTS)
    say('')
    await tour.visitAll(DESTINATIONS, GIT_CITY, SSH_CITY)
    const home = await homeOf(spn)
    say('')
    check(await tour.visitClosedPort('paris'))
    const view = viewWire(await wire.stop(), home)
    if (spn.intercepts) {
      check(await killClient(spn, home))
      check(await restartClient(spn))
    }
    if (!once) await stayUp(spn)
    await spn.stopClient()
    if (spn.intercepts) {
      const restored = (await firewall(spn)) === firewallBefore
      say(`After a clean stop the firewall is ${restored ? 'as it was' : 'NOT as it was'}.`)
      check(restored ? undefined : 'the firewall was not restored')
    }
    for (const line of tour.lines) check(line.mistake && `${line.program} to ${line.destination}: ${line.mistake}`)
    check(wireMistake(view))
    summary(tour, view)
    return conclude(tour, mistakes, once)
  } finally {
    await spn.close()
  }
}

const NO_RIGHTS =
  'The client runs on the user machine. This user can give it neither a group nor a cgroup of its own, so programs use its SOCKS port.'

/** kill -9: nothing may leave the user machine any more. */
async function killClient(spn: SpnWorld, home: WireExpectation): Promise<string | undefined> {
  await spn.killClient()
  const wire = await capture(spn.world, spn.user)
  const { code } = await spn.user.run('curl', [
    '-sS',
    '--max-time',
    '3',
    `http://${spn.destination('paris').ipv4}/address`,
  ])
  const { code: code6 } = await spn.user.run('curl', [
    '-sS',
    '--max-time',
    '3',
    `http://[${spn.destination('paris').ipv6}]/address`,
  ])
  const { other } = viewWire(await wire.stop(), home)
  const stopped = code !== 0 && code6 !== 0
  say(
    `The client was killed (kill -9): curl ${stopped ? 'gets nowhere' : 'GETS THROUGH'}, ${other.length} packets leaked.`,
  )
  if (!stopped) return 'a connection succeeded after the client was killed'
  return other.length === 0 ? undefined : `packets left after the client was killed: ${other.slice(0, 3).join('; ')}`
}

async function restartClient(spn: SpnWorld): Promise<string | undefined> {
  const startedAt = performance.now()
  await spn.startClient()
  await spn.user.mustRun('curl', ['-sS', '--max-time', '10', `http://${spn.destination('paris').ipv4}/address`])
  const ms = performance.now() - startedAt
  say(`The client was started again: connections work after ${(ms / 1000).toFixed(1)} s.`)
  return ms <= RECOVERY_LIMIT_MS ? undefined : `recovery took ${ms.toFixed(0)} ms`
}

async function homeOf(spn: SpnWorld): Promise<WireExpectation> {
  return {
    homeAddresses: (await spn.homes()).flatMap(({ host }) => [host.ipv4, host.ipv6]),
    linkPort: LINK_PORT,
    directoryAddresses: [spn.directory.ipv4, spn.directory.ipv6],
  }
}

/** All rules, without counters and without built-in chains that hold none. */
async function firewall(spn: SpnWorld): Promise<string> {
  const texts = await Promise.all(['iptables-save', 'ip6tables-save'].map((program) => spn.user.mustRun(program)))
  const lines = texts.join('\n').split('\n')
  return lines.filter((line) => !/^(#|:\w+ ACCEPT|\*|COMMIT|\s*$)/.test(line)).join('\n')
}

function wireMistake({ other, tlsMistakes }: WireView): string | undefined {
  if (other.length > 0) return `other packets crossed the user's wire: ${other.slice(0, 3).join('; ')}`
  return tlsMistakes.length > 0 ? `on the user's wire: ${tlsMistakes[0]}` : undefined
}

function summary(tour: Tour, view: WireView): void {
  say('')
  say(tourTable(tour.lines))
  say('')
  say(
    table([
      ["on the user's wire", 'packets'],
      ['TLS 1.3 (X25519MLKEM768) with the home hub', `${view.home}`],
      ['HTTP with the directory, before the first map', `${view.directory}`],
      ['neighbour discovery', `${view.discovery}`],
      ['anything else', `${view.other.length}`],
    ]),
  )
}

function conclude(tour: Tour, mistakes: readonly string[], once: boolean): boolean {
  const exits = new Set(tour.lines.map(({ path }) => path.at(-1)))
  const ok = mistakes.length === 0
  say('')
  say(ok ? 'All as it should be.' : `Not as it should be:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`)
  if (once) say(JSON.stringify({ ok, connections: tour.lines.length, exits: exits.size, mistakes }))
  return ok
}

/** Leaves the network up until Ctrl-C, with the SOCKS port of the user machine on this computer's loopback. */
async function stayUp(spn: SpnWorld): Promise<void> {
  const file = join(spn.world.folder, 'socks.sock')
  const bridge = spn.user.node(join(ROOT, 'test/demo/socks-bridge.ts'), [file, `${SOCKS_PORT}`])
  await bridge.line(/^ready$/)
  const server = net.createServer({ allowHalfOpen: true }, (outer) => {
    const inner = net.connect({ path: file, allowHalfOpen: true })
    for (const socket of [outer, inner]) socket.on('error', () => [outer, inner].map((one) => one.destroy()))
    outer.pipe(inner)
    inner.pipe(outer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  say('')
  say(`The network stays up. Your own programs can use it by SOCKS 5 at 127.0.0.1:${port}, for example`)
  say(`    curl --socks5-hostname 127.0.0.1:${port} http://${spn.destination('seoul').dnsName}/address`)
  say('Ctrl-C ends it.')
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  server.close()
  say('')
}

function say(text: string): void {
  console.log(text)
}
