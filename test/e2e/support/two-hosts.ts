import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What one program did. */
export interface RunResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Group (and with `uid` also user) to run as; default: as the test. */
  readonly gid?: number
  readonly uid?: number
  readonly input?: string
}

type HostName = 'client' | 'server' | 'guest'

/** Addresses of the two hosts. `server` and `other` are "the internet", `direct` is in a network that may be allowed. */
export const ADDRESSES = {
  client: { 4: '198.18.0.2', 6: '2001:db8::2' },
  server: { 4: '198.18.0.1', 6: '2001:db8::1' },
  other: { 4: '198.18.1.1', 6: '2001:db8:1::1' },
  direct: { 4: '198.19.0.1', 6: '2001:db8:d::1' },
  guest: { 4: '198.18.8.2', 6: '2001:db8:8::2' },
  /** The client, as the guest sees it. */
  gateway: { 4: '198.18.8.1', 6: '2001:db8:8::1' },
} as const

export const DIRECT_NETWORKS = ['198.19.0.0/24', '2001:db8:d::/64'] as const
export const CLIENT_DEVICE = 'eth0'
export const SERVER_DEVICE = 'eth0'
/** Of the client, towards the guest. */
export const GUEST_DEVICE = 'guests0'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let made = 0

/** So long two hosts may take to find each other. */
const MEET_MS = 60_000

/** Why this machine cannot make hosts; undefined if it can. */
export function whyNoHosts(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  for (const program of ['ip', 'iptables-restore', 'ip6tables-restore', 'tcpdump', 'setpriv', 'ping']) {
    if (spawnSync(program, ['--version']).error !== undefined) return `the program ${program} is missing`
  }
  const name = `spnt-try-${process.pid}`
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return 'network namespaces need root'
  spawnSync('ip', ['netns', 'delete', name])
  return undefined
}

/**
 * A client and a server, each in a network namespace of its own, joined by one cable that leads nowhere else. The
 * client's default route is the server, so whatever leaks arrives there.
 */
export class TwoHosts {
  readonly #names: Record<HostName, string>
  readonly #children = new Set<ChildProcess>()

  constructor() {
    const id = `${process.pid}-${made++}`
    this.#names = { client: `spntc-${id}`, server: `spnts-${id}`, guest: `spntg-${id}` }
  }

  start(): void {
    const { client, server } = this.#names
    ip(`netns add ${client}`)
    ip(`netns add ${server}`)
    ip(`link add ${CLIENT_DEVICE} netns ${client} type veth peer name ${SERVER_DEVICE} netns ${server}`)
    for (const name of [client, server]) ip(`-n ${name} link set lo up`)
    ip(`-n ${client} link set ${CLIENT_DEVICE} up`)
    ip(`-n ${server} link set ${SERVER_DEVICE} up`)
    ip(`-n ${client} address add ${ADDRESSES.client[4]}/24 dev ${CLIENT_DEVICE}`)
    ip(`-n ${client} address add ${ADDRESSES.client[6]}/64 dev ${CLIENT_DEVICE} nodad`)
    for (const { 4: v4, 6: v6 } of [ADDRESSES.server, ADDRESSES.other, ADDRESSES.direct]) {
      ip(`-n ${server} address add ${v4}/24 dev ${SERVER_DEVICE}`)
      ip(`-n ${server} address add ${v6}/64 dev ${SERVER_DEVICE} nodad`)
    }
    ip(`-n ${client} route add default via ${ADDRESSES.server[4]}`)
    ip(`-n ${client} -6 route add default via ${ADDRESSES.server[6]}`)
    meet(client, ADDRESSES.server)
  }

  /**
   * A third host behind the client, which forwards for it as for a container or a guest of a hotspot. The server knows
   * the way back, so that what leaks is answered.
   */
  addGuest(): void {
    const { client, server, guest } = this.#names
    ip(`netns add ${guest}`)
    ip(`link add ${GUEST_DEVICE} netns ${client} type veth peer name eth0 netns ${guest}`)
    ip(`-n ${guest} link set lo up`)
    ip(`-n ${guest} link set eth0 up`)
    ip(`-n ${client} link set ${GUEST_DEVICE} up`)
    ip(`-n ${client} address add ${ADDRESSES.gateway[4]}/24 dev ${GUEST_DEVICE}`)
    ip(`-n ${client} address add ${ADDRESSES.gateway[6]}/64 dev ${GUEST_DEVICE} nodad`)
    ip(`-n ${guest} address add ${ADDRESSES.guest[4]}/24 dev eth0`)
    ip(`-n ${guest} address add ${ADDRESSES.guest[6]}/64 dev eth0 nodad`)
    ip(`-n ${guest} route add default via ${ADDRESSES.gateway[4]}`)
    ip(`-n ${guest} -6 route add default via ${ADDRESSES.gateway[6]}`)
    ip(`-n ${server} route add 198.18.8.0/24 via ${ADDRESSES.client[4]}`)
    ip(`-n ${server} -6 route add 2001:db8:8::/64 via ${ADDRESSES.client[6]}`)
    const forward = 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
    ip(`netns exec ${client} sh -c`, forward)
    meet(guest, ADDRESSES.gateway)
  }

  /** Starts a program on a host; it is ended with the hosts at the latest. */
  spawn(host: HostName, program: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.#names[host], ...asUser(options), program, ...args], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.on('error', () => undefined)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** Runs a program on a host to its end. */
  async run(host: HostName, program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const child = this.spawn(host, program, args, options)
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.stdin?.end(options.input ?? '')
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, stdout, stderr }
  }

  async close(): Promise<void> {
    for (const child of [...this.#children]) {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    for (const name of Object.values(this.#names)) spawnSync('ip', ['netns', 'delete', name])
  }
}

function asUser({ gid, uid }: RunOptions): string[] {
  if (gid === undefined) return []
  return ['setpriv', ...(uid === undefined ? [] : ['--reuid', `${uid}`]), '--regid', `${gid}`, '--clear-groups']
}

/** Waits until a host reaches another: a new cable is not up at once, and what is sent before is late, or lost. */
function meet(from: string, to: Readonly<Record<4 | 6, string>>): void {
  const giveUpAt = performance.now() + MEET_MS
  for (const address of Object.values(to)) {
    while (spawnSync('ip', ['netns', 'exec', from, 'ping', '-c1', '-w5', address]).status !== 0) {
      if (performance.now() > giveUpAt) throw new Error(`${address} is not there`)
    }
  }
}

function ip(command: string, ...more: readonly string[]): void {
  const result = spawnSync('ip', [...command.split(' '), ...more], { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`ip ${command}: ${result.stderr}`)
}
