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

interface InterceptOptions {
  /** A folder whose programs are taken first. */
  readonly path?: string
  readonly gid?: number
  /** A capability that the client does not get, such as `net_admin`. */
  readonly without?: string
  /** Does not intercept, but removes the rules of an earlier run. */
  readonly remove?: boolean
  /** Gives every flow this verdict. */
  readonly verdict?: Verdict
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

  close(): Promise<void> {
    return this.hosts.close()
  }

  /** Starts the intercepting client, and gives it with what came of it: started, or a fault. */
  async intercept(options: InterceptOptions = {}) {
    const { path, gid = OWN_GID, without, remove = false, verdict } = options
    const ports = { queueNum: QUEUE, redirectPort: REDIRECT_PORT, gid: OWN_GID }
    const settings = { ...ports, direct: DIRECT_NETWORKS, remove, verdict }
    const script = verdict === undefined ? 'interception-driver.ts' : 'verdict-driver.ts'
    const driver = [`test/e2e/support/${script}`, JSON.stringify(settings)]
    const drop = without === undefined ? [] : ['setpriv', `--bounding-set=-${without}`, `--inh-caps=-${without}`]
    const program = [
      `PATH=${path === undefined ? '' : `${path}:`}${process.env.PATH}`,
      ...drop,
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

  /** Ends whatever clients still run and removes their rules, after a test that may have failed. */
  async cleanUp(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.kill()
    if ((await this.rules()).some((rule) => rule.includes('SPN_'))) await this.intercept({ remove: true })
    for (const client of this.#clients.splice(0)) await client.kill()
  }

  /** A connection of the program: what it sends, what it reads to the end. */
  async tcp(host: Address, port: number, options: TcpOptions = {}): Promise<Outcome> {
    return (await this.command(this.app, { op: 'tcp', host, port, ...options })) as unknown as Outcome
  }

  /** A datagram of the program, and what comes back. */
  async udp(
    host: Address,
    port: number,
    options: { readonly localPort?: number; readonly timeoutMs?: number } = {},
  ): Promise<Outcome> {
    return (await this.command(this.app, { op: 'udp', host, port, text: 'datagram', ...options })) as unknown as Outcome
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
  probe(host: 'client' | 'server', gid: number): LineProcess {
    const args = ['--no-warnings', 'test/e2e/support/probe.ts']
    return new LineProcess(this.hosts.spawn(host, process.execPath, args, { gid }))
  }
}

/** Options of curl for a program that is bound to the device. */
export const BOUND_TO_DEVICE = ['--interface', CLIENT_DEVICE]
