import type { Refusal } from '../../../client/interception/interception-api.ts'
import type { Verdict } from '../../../client/interception/marks.ts'
import { DRIVER_PORTS } from './driver-ports.ts'
import { LineProcess } from './line-process.ts'
import { ADDRESSES, CLIENT_DEVICE, DIRECT_NETWORKS, SERVER_DEVICE, TwoHosts } from './two-hosts.ts'

/** Group of the driver, and of programs. */
export const OWN_GID = 7117
export const APP_GID = 1000

export const REDIRECT_PORT = 7170
const QUEUE = 17
const MARKER_PORT = 9

type Address = (typeof ADDRESSES)[keyof typeof ADDRESSES][4 | 6]

/** What `deploy/systemd/spn.service` makes of a program: its user, its group, one right. */
export const AS_SERVICE = [
  ...['setpriv', '--reuid', `${OWN_GID}`, '--regid', `${OWN_GID}`, '--clear-groups', '--no-new-privs'],
  ...['--bounding-set=-all,+net_admin', '--inh-caps=-all,+net_admin', '--ambient-caps=-all,+net_admin'],
]

export interface Outcome {
  /** `ok`, `timeout`, or the name of an errno. */
  readonly result: string
  readonly text: string
  readonly ms: number
}

interface TcpOptions {
  readonly text?: string
  readonly localPort?: number
  readonly timeoutMs?: number
}

const GUARD_ENDS_MS = 60_000

type UdpOptions = Omit<TcpOptions, 'text'>

/** For whom a datagram is. */
interface Peer {
  readonly host: string
  readonly port: number
  readonly text?: string
  /** So many answers have to be there first. */
  readonly afterAnswers?: number
  readonly afterMs?: number
}

interface TalkOptions {
  readonly localPort?: number
  readonly connected?: boolean
  /** So many, or an error, have to come, and are waited for. */
  readonly answers?: number
  readonly timeoutMs?: number
}

interface Heard {
  readonly from: string
  readonly port: number
  readonly text: string
}

interface InterceptOptions {
  /** A folder whose programs are taken first. */
  readonly path?: string
  readonly gid?: number
  /** A capability that the client does not get, such as `net_admin`. */
  readonly without?: string
  /** Runs as a user of its own, with CAP_NET_ADMIN and nothing else. */
  readonly unprivileged?: boolean
  /** Does not intercept, but removes the rules of an earlier run. */
  readonly remove?: boolean
  /** As on a kernel that can not end sockets of other programs. */
  readonly keepsSockets?: boolean
  /** Answers questions for names, but for those to resolvers in these networks. */
  readonly resolvers?: readonly string[]
  /** Answers requests for an echo, but refuses those to the addresses here. */
  readonly echoes?: Readonly<Record<string, Refusal | 'direct'>>
  /** Gives every flow this verdict. */
  readonly verdict?: Verdict
  /** With `verdict`: looks for the app of each flow before. */
  readonly apps?: boolean
}

/** Two hosts with a server on one and a program on the other, and a client between them that only intercepts. */
export class InterceptionLab {
  readonly hosts = new TwoHosts()
  readonly #clients: LineProcess[] = []
  /** On the client host, as an ordinary program. */
  app!: LineProcess
  /** On the server host. */
  server!: LineProcess
  #nextId = 1

  async start(): Promise<void> {
    this.hosts.start()
    this.server = this.probe('server', APP_GID)
    this.app = this.probe('client', APP_GID)
    for (const port of [DRIVER_PORTS.relay, DRIVER_PORTS.reset, DRIVER_PORTS.undecided]) {
      for (const { 4: v4, 6: v6 } of [ADDRESSES.server, ADDRESSES.other, ADDRESSES.direct]) {
        for (const host of [v4, v6]) await this.command(this.server, { op: 'listen', host, port })
      }
    }
  }

  /** A host behind the client, with a program on it. */
  addGuest(): LineProcess {
    this.hosts.addGuest()
    return this.probe('guest', APP_GID)
  }

  close(): Promise<void> {
    return this.hosts.close()
  }

  /** Starts the intercepting client, and gives it with what came of it: started, or a fault. */
  async intercept(options: InterceptOptions = {}) {
    const {
      path,
      gid = OWN_GID,
      without,
      remove = false,
      keepsSockets,
      resolvers,
      echoes,
      verdict,
      apps = false,
      unprivileged = false,
    } = options
    const ports = { queueNum: QUEUE, redirectPort: REDIRECT_PORT, gid: OWN_GID }
    const settings = { ...ports, direct: DIRECT_NETWORKS, remove, keepsSockets, resolvers, echoes, verdict, apps }
    const script = verdict === undefined ? 'interception-driver.ts' : 'verdict-driver.ts'
    const driver = [`test/e2e/support/${script}`, JSON.stringify(settings)]
    const drop = without === undefined ? [] : ['setpriv', `--bounding-set=-${without}`, `--inh-caps=-${without}`]
    const program = [
      `PATH=${path === undefined ? '' : `${path}:`}${process.env.PATH}`,
      ...drop,
      ...(unprivileged ? AS_SERVICE : []),
      process.execPath,
      '--no-warnings',
      ...driver,
    ]
    const client = new LineProcess(this.hosts.spawn('client', 'env', program, { gid }))
    this.#clients.push(client)
    const first = await client.next((message) => 'started' in message || 'removed' in message || 'fault' in message)
    return { client, first }
  }

  /** Ends the intercepting client as it should end. */
  async end(client: LineProcess, command: object = { close: true }): Promise<void> {
    client.send(command)
    await client.next((message) => message.closed === true)
    client.child.stdin?.end()
    await client.ended()
  }

  /** The guard of a client that was killed loads the rules once more before it goes. */
  async guardGone(): Promise<void> {
    const stands = async () => (await this.hosts.run('client', 'nft', ['list', 'tables'])).stdout.includes('spn_guard')
    const giveUpAt = performance.now() + GUARD_ENDS_MS
    while (await stands()) if (performance.now() > giveUpAt) throw new Error('the guard did not end')
  }

  /** Ends whatever clients still run and removes their rules, after a test that may have failed. */
  async cleanUp(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.kill()
    await this.guardGone()
    if ((await this.rules()).some((rule) => rule.includes('SPN_'))) await this.intercept({ remove: true })
    for (const client of this.#clients.splice(0)) await client.kill()
  }

  /** A connection of the program: what it sends, what it reads to the end. */
  async tcp(host: Address, port: number, options: TcpOptions = {}): Promise<Outcome> {
    return (await this.command(this.app, { op: 'tcp', host, port, ...options })) as unknown as Outcome
  }

  /** A datagram of the program, and what comes back. */
  async udp(host: Address, port: number, options: UdpOptions = {}): Promise<Outcome> {
    return (await this.command(this.app, { op: 'udp', host, port, text: 'datagram', ...options })) as unknown as Outcome
  }

  /** Datagrams from one socket of the program, and all that came back. */
  async talk(to: readonly Peer[], options: TalkOptions = {}): Promise<{ result: string; heard: readonly Heard[] }> {
    const { result, text } = await this.command(this.app, { op: 'talk', to, ...options })
    return { result: String(result), heard: JSON.parse(String(text)) as Heard[] }
  }

  /** How many packets the client host has ever given to user space. */
  async queued(): Promise<number> {
    const { stdout } = await this.hosts.run('client', 'cat', ['/proc/net/netfilter/nfnetlink_queue'])
    return Number(stdout.trim().split(/\s+/)[7])
  }

  async command(to: LineProcess, command: object): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#nextId++
    to.send({ id, ...command })
    return await to.next((message) => message.id === id && message.result !== undefined)
  }

  /** Runs something, and gives what passed on the cable meanwhile, seen at the server. `filter` is one of tcpdump. */
  async onTheWire(filter: string, during: () => Promise<unknown>): Promise<string[]> {
    const args = ['-n', '-l', '--immediate-mode', '-i', SERVER_DEVICE, `(${filter}) or udp dst port ${MARKER_PORT}`]
    const child = this.hosts.spawn('server', 'tcpdump', args)
    const wire = new LineProcess(child)
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', () => wire.errors.includes('listening on') && resolve())
    })
    await during()
    // What was sent before the marker is printed before it.
    await this.command(this.server, { op: 'udp', host: ADDRESSES.client[4], port: MARKER_PORT, timeoutMs: 1 })
    await wire.next(({ text }) => String(text).includes(`.${MARKER_PORT}: UDP`))
    await wire.kill()
    return wire.messages.map(({ text }) => String(text)).filter((line) => !line.includes(`.${MARKER_PORT}: UDP`))
  }

  /** Everything that leaves the client host by its cable, whatever its source, apart from ARP and neighbour discovery. */
  async leaving(during: () => Promise<unknown>): Promise<string[]> {
    const { stdout } = await this.hosts.run('client', 'cat', [`/sys/class/net/${CLIENT_DEVICE}/address`])
    const discovery = '(icmp6 and ip6[40] >= 130 and ip6[40] <= 143) or (ip6[6] == 0 and ip6[48] == 143)'
    return this.onTheWire(`ether src ${stdout.trim()} and not arp and not (${discovery})`, during)
  }

  /** A Python program on the client host, of an ordinary group, which has to succeed. Gives what it printed. */
  async python(script: string, args: readonly string[] = [], host: 'client' | 'guest' = 'client'): Promise<string> {
    const { stdout, stderr } = await this.hosts.run(host, 'python3', ['-c', script, ...args], { gid: APP_GID })
    if (stderr !== '') throw new Error(stderr)
    return stdout
  }

  /** Everything that the client host sends, apart from neighbour discovery of both families. */
  sentByClient(during: () => Promise<unknown>): Promise<string[]> {
    const discovery = '(icmp6 and ip6[40] >= 130 and ip6[40] <= 143)'
    return this.onTheWire(
      `(src host ${ADDRESSES.client[4]} or src host ${ADDRESSES.client[6]} or dst host 127.0.0.1) and not arp and not ${discovery}`,
      during,
    )
  }

  /** The client host's rules of both families, without counters, times and chains of the system that are empty. */
  async rules(): Promise<string[]> {
    const saved = await Promise.all(
      ['iptables-save', 'ip6tables-save'].map((program) => this.hosts.run('client', program, [])),
    )
    return saved.flatMap(({ stdout }) => stdout.split('\n')).filter((line) => /^(-|:(?!\S+ ACCEPT ))/.test(line))
  }

  /** A program that makes connections on command, in this group. */
  probe(host: 'client' | 'server' | 'guest', gid: number): LineProcess {
    const args = ['--no-warnings', 'test/e2e/support/probe.ts']
    return new LineProcess(this.hosts.spawn(host, process.execPath, args, { gid }))
  }
}

/** Options of curl for a program that is bound to the device. */
export const BOUND_TO_DEVICE = ['--interface', CLIENT_DEVICE]

/** Without the rules that tell whether somebody listens for tunnelled flows: nobody does after the client. */
export function withoutListener(rules: readonly string[]): string[] {
  return rules.filter((rule) => !/^-A SPN_(OUTPUT|INPUT) (-p tcp )?-m mark --mark 0x400\/0xff00 /.test(rule))
}
