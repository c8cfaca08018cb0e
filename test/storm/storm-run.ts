import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ClientConfig } from '../../client/options.ts'
import { chooseOne, type Random } from '../../shared/base/random.ts'
import { INTRUDERS } from '../e2e/support/firewall-intruders.ts'
import { writeJson } from '../net/network-config.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { capture } from '../world/capture.ts'
import { serveHttp } from '../world/destinations.ts'
import type { HostProcess } from '../world/host-process.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { mayHaveLeft, type OpenTime } from './storm-judge.ts'

const SPN = fileURLToPath(new URL('../../deploy/bin/spn', import.meta.url))
const SENDERS = fileURLToPath(new URL('senders.mjs', import.meta.url))
const OWN_GID = 7117
const APP_GID = 1000
/** On a busy computer. */
const START_MS = 120_000
const LONGEST_REST_MS = 400
const STALL_MS = 700
/** Longer than the client needs to notice that it slept. */
const SUSPEND_MS = 6_000
const AWAY_MS = 500
const WORKS_MS = 120_000
const BETWEEN_TRIES_MS = 200
const LAST_LINES = 20

type Phase = 'off' | 'running' | 'paused' | 'killed'

/** What may happen in which phase; an operation that stands twice is twice as likely. */
const OPERATIONS = {
  off: ['start'],
  killed: ['start', 'start', 'network'],
  paused: ['resume', 'resume', 'kill', 'flush'],
  running: [
    'kill',
    'kill',
    'stop',
    'stall',
    'flush',
    'flush',
    'network',
    'unplug',
    'pause',
    'pause',
    'config',
    'suspend',
  ],
} as const satisfies Record<Phase, readonly string[]>

type Operation = (typeof OPERATIONS)[Phase][number]

export interface StormResult {
  readonly seed: string
  readonly transitions: number
  readonly operations: Readonly<Partial<Record<Operation, number>>>
  readonly seconds: number
  /** Packets of the user's computer: the client's own, those of times in which everything may leave, and all others. */
  readonly own: number
  readonly inTheOpen: number
  readonly outside: number
  readonly examples: readonly string[]
  /** Did a connection go through the network at the end? */
  readonly works: boolean
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A computer whose client is treated badly, while programs on it want out all the time. */
export async function storm(transitions: number, seed: string): Promise<StormResult> {
  const spn = await SpnWorld.create({
    ...{ hubs: ['berlin', 'london', 'newYork'], destinations: ['paris'], userCity: 'warsaw' },
  })
  try {
    await serveHttp(spn.destination('paris'))
    return await new Storm(spn, seed).run(transitions)
  } finally {
    await spn.close()
  }
}

class Storm {
  readonly #spn: SpnWorld
  readonly #seed: string
  readonly #random: Random
  readonly #open: OpenTime[] = []
  readonly #counts: Partial<Record<Operation, number>> = {}
  #phase: Phase = 'off'
  #openSince: number | undefined = Date.now()
  #client: HostProcess | undefined
  #network = 0
  #hops = 3

  constructor(spn: SpnWorld, seed: string) {
    this.#spn = spn
    this.#seed = seed
    this.#random = seededRandom(seed)
  }

  async run(transitions: number): Promise<StormResult> {
    const { user } = this.#spn
    const { ipv4, ipv6 } = this.#spn.destination('paris')
    const start = performance.now()
    const wire = await capture(this.#spn.world, user)
    const senders = [
      user.spawn(process.execPath, [SENDERS, ipv4, ipv6], { gid: APP_GID }),
      ...[ipv4, ipv6].map((address) => user.spawn('ping', ['-q', '-i', '0.05', address])),
    ]
    for (let i = 0; i < transitions; i++) {
      const operation = chooseOne<Operation>(OPERATIONS[this.#phase], this.#random) as Operation
      this.#counts[operation] = (this.#counts[operation] ?? 0) + 1
      await this.#do(operation)
      await sleep(this.#random.below(LONGEST_REST_MS))
    }
    if (this.#phase === 'paused') await this.#do('resume')
    if (this.#phase !== 'running') await this.#do('start')
    if (this.#network % 2 === 1) await this.#do('network')
    const works = await this.#works(`http://${ipv4}/address`)
    const seconds = (performance.now() - start) / 1_000
    for (const sender of senders) await sender.stop()
    const judged = mayHaveLeft(await wire.stop(), this.#spn, this.#open)
    await this.#client?.stop()
    await this.#command('off')
    return { seed: this.#seed, transitions, operations: this.#counts, seconds: Math.round(seconds), ...judged, works }
  }

  async #do(operation: Operation): Promise<void> {
    const { user } = this.#spn
    switch (operation) {
      case 'start':
        return this.#start()
      case 'stop':
        await this.#end('SIGTERM')
        this.#openSince ??= Date.now()
        await this.#command('off')
        this.#phase = 'off'
        return
      case 'kill':
        await this.#end('SIGKILL')
        this.#phase = 'killed'
        return
      case 'config':
        this.#hops = 1 + this.#random.below(3)
        await this.#end('SIGTERM')
        return this.#start()
      case 'pause':
        this.#openSince = Date.now()
        await this.#command('pause', '--minutes', '1')
        this.#phase = 'paused'
        return
      case 'resume':
        await this.#command('resume')
        return this.#closed('running')
      case 'stall':
        return this.#stop(STALL_MS)
      case 'suspend':
        return this.#stop(SUSPEND_MS)
      case 'flush':
        await user.run('sh', ['-c', chooseOne(INTRUDERS, this.#random)?.[1] ?? ''])
        return
      case 'unplug':
        await user.unplug()
        await sleep(AWAY_MS)
        return user.plugIn()
      case 'network':
        return this.#move()
    }
  }

  async #start(): Promise<void> {
    const { user, clientConfig } = this.#spn
    const config = JSON.parse(readFileSync(clientConfig, 'utf8')) as ClientConfig
    writeJson(this.#spn.world.folder, 'client.json', { ...config, hops: this.#hops })
    this.#client = user.spawn(SPN, ['run', '--keep-rules', '--config', clientConfig], { gid: OWN_GID })
    await this.#client.line(/"client started"/, START_MS)
    this.#closed('running')
  }

  /** From now on nothing may leave. */
  #closed(phase: Phase): void {
    if (this.#openSince !== undefined) this.#open.push({ from: this.#openSince, to: Date.now() })
    this.#openSince = undefined
    this.#phase = phase
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#client?.kill(signal)
    await this.#client?.exited
  }

  async #stop(ms: number): Promise<void> {
    this.#client?.kill('SIGSTOP')
    await sleep(ms)
    this.#client?.kill('SIGCONT')
  }

  async #command(...[command = '', ...args]: string[]): Promise<void> {
    const words = [command, '--config', this.#spn.clientConfig, ...args]
    const { code, stderr } = await this.#spn.user.run(SPN, words, { gid: OWN_GID, timeoutMs: START_MS })
    if (code !== 0) throw new Error(`${command}: ${stderr}${this.#client?.lines.slice(-LAST_LINES).join('\n')}`)
  }

  /** To another network, and back with the next one. */
  async #move(): Promise<void> {
    const { user } = this.#spn
    const isBack = this.#network++ % 2 === 1
    for (const [family, plan] of [
      ['-4', user.plan.ipv4],
      ['-6', user.plan.ipv6],
    ] as const) {
      if (plan === undefined) continue
      const address = isBack ? plan.address : plan.address.replace(/2$/, '77')
      const noDad = family === '-6' ? ['nodad'] : []
      await user.mustRun('ip', [family, 'address', 'flush', 'dev', 'eth0', 'scope', 'global'])
      await user.mustRun('ip', [family, 'address', 'add', `${address}/${plan.prefix}`, 'dev', 'eth0', ...noDad])
      await user.mustRun('ip', [family, 'route', 'replace', 'default', 'via', plan.gateway])
    }
  }

  async #works(url: string): Promise<boolean> {
    const giveUpAt = performance.now() + WORKS_MS
    while (performance.now() < giveUpAt) {
      if ((await this.#spn.user.run('curl', ['-sS', '--max-time', '10', url])).code === 0) return true
      await sleep(BETWEEN_TRIES_MS)
    }
    return false
  }
}
