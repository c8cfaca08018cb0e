import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { capture } from '../../world/capture.ts'
import { STUN_PORTS } from '../../world/destinations.ts'
import { GIT_ENV } from '../../world/git-destination.ts'
import type { Host } from '../../world/host.ts'
import type { HostProcess } from '../../world/host-process.ts'
import type { IpPart } from '../../world/packet.ts'
import type { Browser } from './browser.ts'
import type { ProgramsLab, VisitedServer } from './programs-lab.ts'

/** How a program is told where to go: one family, or a name that has both. */
export const WAYS = ['IPv4', 'IPv6', 'a name with both'] as const
export type Way = (typeof WAYS)[number]

/**
 * A program that an ordinary user runs. Gives the address that the server saw, once the program has got what it came
 * for. Rejects if the program failed.
 */
export type Visit = (lab: ProgramsLab, server: VisitedServer, way: Way) => Promise<string>

const FAMILY_FLAG: Readonly<Record<Way, readonly string[]>> = { IPv4: ['-4'], IPv6: ['-6'], 'a name with both': [] }
const STUN_CLIENT = fileURLToPath(new URL('stun-client.py', import.meta.url))
const ICMP = 1
const ECHO_REQUEST = 8
const ICMPV6 = 58
const ECHO_REQUEST6 = 128
const IPERF_DATAGRAMS = 125
const IPERF_TRIES = 3
const SEEN_MS = 60_000

export function curl(...flags: string[]): Visit {
  return async ({ spn, site }, { host }, way) => {
    const trust = ['--cacert', site.certificateFile]
    const args = ['-sS', '--max-time', '60', ...trust, ...flags, ...FAMILY_FLAG[way], `https://${host.dnsName}/address`]
    return addressSeen(await spn.user.mustRun('curl', args), flags.includes('--http2') ? 'HTTP/2.0' : 'HTTP/1.1')
  }
}

/** Has no flag for a family: it is given names that have one. */
export function chromium(browser: () => Browser | undefined, protocol: string): Visit {
  return async (_, { host }, way) => {
    const place = { IPv4: `ipv4.${host.dnsName}`, IPv6: `ipv6.${host.dnsName}`, 'a name with both': host.dnsName }[way]
    return addressSeen((await browser()?.read(`https://${place}/address`)) ?? '', protocol)
  }
}

export const ssh: Visit = async ({ spn }, server, way) => {
  const seen = await spn.user.mustRun('ssh', [...FAMILY_FLAG[way], ...server.ssh.args, 'echo $SSH_CLIENT'])
  return seen.split(' ')[0] ?? ''
}

export const gitOverHttps: Visit = async (lab, { host, web }, way) => {
  const seen = nextAddress(web.process, /"remote_ip":"(?<address>[^"]+)".*"uri":"\/repository\/.git\/info\/refs/)
  await clone(lab, way, `https://${host.dnsName}/repository/.git`, { GIT_SSL_CAINFO: lab.site.certificateFile })
  return seen
}

export const gitOverSsh: Visit = async (lab, server, way) => {
  const seen = nextAddress(server.ssh.process, /Accepted publickey for \w+ from (?<address>\S+) port/)
  const [destination = '', ...flags] = server.ssh.args.toReversed()
  const url = `ssh://${destination}${lab.site.repository.path}`
  await clone(lab, way, url, { GIT_SSH_COMMAND: ['ssh', ...flags.toReversed()].join(' ') })
  return seen
}

export const ping: Visit = async ({ spn }, { host }, way) => {
  const wire = await capture(spn.world, host)
  const args = ['-n', '-c', '2', '-i', '0.2', '-W', '30', ...FAMILY_FLAG[way], host.dnsName]
  const { code, stdout, stderr } = await spn.user.run('ping', args)
  const packets = await wire.stop()
  if (code !== 0) throw new Error(stdout + stderr)
  const requests = packets.flatMap(({ ip }) => (ip !== undefined && isEchoRequest(ip) ? [ip.source] : []))
  if (new Set(requests).size !== 1) throw new Error(`the server was asked from ${requests}`)
  return requests[0] ?? ''
}

/**
 * A second of datagrams, 1 Mbit/s. The server stops counting when the client tells it by TCP that all are sent: on a busy
 * computer the last ones may be behind that, so the best of some tries counts.
 */
export const iperf: Visit = async ({ spn }, { host, iperf: server }, way) => {
  const seen = nextAddress(server.process, /local \S+ port 5201 connected to (?<address>\S+) port/)
  const load = ['--udp', '--bitrate', '1M', '--length', '1000', '--blockcount', `${IPERF_DATAGRAMS}`, '--json']
  for (let tries = 1; ; tries++) {
    const { code, stdout } = await spn.user.run('iperf3', [...load, ...FAMILY_FLAG[way], '--client', host.dnsName])
    const result = JSON.parse(stdout) as IperfResult
    if (code !== 0 || result.end.sum === undefined) throw new Error(result.error)
    const { packets, lost_packets: lost } = result.end.sum
    if (packets >= IPERF_DATAGRAMS && lost <= packets / 20) return seen
    if (tries === IPERF_TRIES) throw new Error(`${lost} of ${packets} datagrams were lost`)
  }
}

interface IperfResult {
  readonly error?: string
  readonly end: { readonly sum?: { readonly packets: number; readonly lost_packets: number } }
}

/** Two servers, or one at two ports, have to see the socket at the same address and port. */
export const stun: Visit = async ({ spn }, { host }, way) => stunMapping(spn.user, way, [host, host])

export async function stunMapping(user: Host, way: Way, servers: readonly [Host, Host]): Promise<string> {
  const family = { IPv4: '4', IPv6: '6', 'a name with both': 'any' }[way]
  const places = servers.flatMap(({ dnsName }, i) => [dnsName, `${STUN_PORTS[i]}`])
  const lines = (await user.mustRun('python3', [STUN_CLIENT, family, ...places])).trim().split('\n')
  if (lines.length !== 2 || lines[0] !== lines[1]) throw new Error(`one socket is seen at ${lines.join(' and ')}`)
  return lines[0]?.split(' ')[0] ?? ''
}

function isEchoRequest({ protocol, payload }: IpPart): boolean {
  return (protocol === ICMP && payload[0] === ECHO_REQUEST) || (protocol === ICMPV6 && payload[0] === ECHO_REQUEST6)
}

async function clone(
  { spn, site }: ProgramsLab,
  way: Way,
  url: string,
  more: Readonly<Record<string, string>>,
): Promise<void> {
  const into = join(spn.world.folder, `clone-${randomUUID()}`)
  const env = { ...GIT_ENV, ...more }
  await spn.user.mustRun('git', ['clone', '--quiet', ...FAMILY_FLAG[way], url, into], { env })
  const head = await spn.user.mustRun('git', ['-C', into, 'rev-parse', 'HEAD'], { env })
  if (head.trim() !== site.repository.commit) throw new Error('the clone is not what the server has')
}

/** The address in the next line that a server writes of a caller. Whoever is not called never says anything. */
function nextAddress(server: HostProcess, pattern: RegExp): Promise<string> {
  const address = server.nextLine(pattern, SEEN_MS).then(({ groups }) => groups?.address ?? '')
  address.catch(() => undefined)
  return address
}

/** `ADDRESS PROTOCOL` is what the web servers answer. */
function addressSeen(answer: string, wanted: string): string {
  const [address = '', protocol] = answer.trim().split(' ')
  if (protocol !== wanted) throw new Error(`the server was asked by ${protocol}, not by ${wanted}`)
  return address
}
