import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { GIT_ENV } from '../../world/git-destination.ts'
import type { HostProcess } from '../../world/host-process.ts'
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
const SEEN_MS = 5_000

export function curl(...flags: string[]): Visit {
  return async ({ spn, site }, { host }, way) => {
    const trust = ['--cacert', site.certificateFile]
    const args = ['-sS', '--max-time', '10', ...trust, ...flags, ...FAMILY_FLAG[way], `https://${host.dnsName}/address`]
    return addressSeen(await spn.user.mustRun('curl', args), flags.includes('--http2') ? 'HTTP/2.0' : 'HTTP/1.1')
  }
}

/** Has no flag for a family: it is given addresses. */
export function chromium(browser: () => Browser, protocol: string): Visit {
  return async (_, { host }, way) => {
    const place = { IPv4: host.ipv4, IPv6: `[${host.ipv6}]`, 'a name with both': host.dnsName }[way]
    return addressSeen(await browser().read(`https://${place}/address`), protocol)
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
