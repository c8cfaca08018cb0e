import { Worker } from 'node:worker_threads'
import { systemClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { normalizeIp } from '../../shared/base/ip-address.ts'
import { PROTOCOL_UDP } from '../interception/packet.ts'
import { type LocalSocket, loadNative, type NativeAddon, type SocketDiag } from '../native/native.ts'
import { type App, type AppQuery, type FindApp, unknownApp } from './app.ts'
import { NearHolders } from './near-holders.ts'
import { type Holder, packSockets, type SearchReport } from './search-messages.ts'

/** Nobody waits longer to learn whose a connection is; then it is unknown. */
export const MAX_FIND_MS = 250
/** Sockets that may be looked for at the same time; those beyond are unknown. */
export const MAX_SEARCHES = 4_096
/** Sockets whose process is remembered. */
const MAX_CACHED = 4_096
/** A port that more sockets share has no owner. */
const MAX_SHARED = 8

export interface AppFinderParts {
  /** The thread that searches has ended: from now on every app is unknown. */
  readonly onFailure: (fault: Fault) => void
}

/**
 * Finds the app that a packet or a connection of this computer comes from. Undefined means unknown, which rules treat as
 * the strictest: it is never guessed, and never a wrong app because of a pid that is used again, a process that became
 * another program, a port that several programs share, or a path in other mounts.
 *
 * The kernel is asked on the spot which socket it is (some µs). A socket that is known already is only looked at again
 * (some 10 µs), and a new one of a process that had one lately is found on the spot too; all else is done in a thread.
 */
export class AppFinder {
  readonly #native: NativeAddon
  readonly #parts: AppFinderParts
  readonly #worker: Worker
  readonly #diag: SocketDiag
  readonly #near: NearHolders
  /** By inode, in the order of use. */
  readonly #cached = new Map<number, Holder>()
  /** By inode, in the order of time. */
  readonly #searches = new Map<number, Search>()
  /** For the oldest one. */
  #timer: NodeJS.Timeout | undefined
  #wanted: LocalSocket[] = []
  #isOver = false

  /** @throws Fault addon-missing; an error with a `code` if the kernel cannot be asked for sockets */
  constructor(parts: AppFinderParts) {
    this.#native = loadNative()
    this.#parts = parts
    this.#diag = new this.#native.SocketDiag()
    this.#near = new NearHolders(this.#native)
    this.#worker = new Worker(new URL('./search-worker.ts', import.meta.url))
    this.#worker.on('message', (report: SearchReport) => this.#handleReport(report))
    this.#worker.on('error', (error) => this.#fail(new Fault('internal', { part: 'apps' }, error)))
    this.#worker.on('exit', () => this.#fail(new Fault('internal', { part: 'apps' })))
    this.#worker.unref()
  }

  /** Never rejects; takes `MAX_FIND_MS` at most. */
  readonly find: FindApp = (query) => {
    const sockets = this.#socketsOf(query)
    const [only] = sockets
    if (this.#isOver || only === undefined || sockets.length > MAX_SHARED) return unknownApp(query)
    return sockets.length === 1 ? this.#findOf(only) : this.#findShared(sockets)
  }

  #findOf(socket: LocalSocket): Promise<App | undefined> {
    const known = this.#cachedApp(socket)
    return known === undefined ? this.#search(socket) : Promise.resolve(known)
  }

  /** Only if all are the same app's. */
  async #findShared(sockets: readonly LocalSocket[]): Promise<App | undefined> {
    const apps = await Promise.all(sockets.map((socket) => this.#findOf(socket)))
    const [first] = apps
    return apps.every((app) => app !== undefined && app.key === first?.key) ? first : undefined
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#isOver) return
    this.#end()
    await this.#worker.terminate()
  }

  #socketsOf({ protocol, source, destination, uid, sockets }: AppQuery): readonly LocalSocket[] {
    const found = sockets ?? this.#ask(protocol, source, destination)
    // Of sockets that share a port, the one of another user has not sent it.
    return protocol === PROTOCOL_UDP && uid !== undefined ? found.filter((socket) => socket.uid === uid) : found
  }

  #ask(protocol: number, source: AppQuery['source'], destination: AppQuery['destination']): readonly LocalSocket[] {
    if (this.#isOver) return []
    try {
      const [from, to] = [normalizeIp(source.address), normalizeIp(destination.address)]
      return this.#diag.find(protocol, from, source.port, to, destination.port)
    } catch {
      return []
    }
  }

  #cachedApp({ inode }: LocalSocket): App | undefined {
    const holder = this.#cached.get(inode)
    if (holder === undefined) return undefined
    this.#cached.delete(inode)
    const { app, mark } = holder.program
    if (!this.#native.hasOpenSocket(app.pid, inode, holder.descriptor, mark)) return undefined
    this.#cached.set(inode, holder)
    return app
  }

  #search(socket: LocalSocket): Promise<App | undefined> {
    const running = this.#searches.get(socket.inode)
    if (running !== undefined) return running.result
    if (this.#searches.size >= MAX_SEARCHES) return Promise.resolve(undefined)
    const { promise, resolve } = Promise.withResolvers<App | undefined>()
    this.#searches.set(socket.inode, { socket, result: promise, resolve, until: systemClock.now() + MAX_FIND_MS })
    this.#timer ??= setTimeout(() => this.#giveUpLate(), MAX_FIND_MS)
    if (this.#wanted.length === 0) setImmediate(() => this.#begin())
    this.#wanted.push(socket)
    return promise
  }

  #giveUpLate(): void {
    this.#timer = undefined
    const now = systemClock.now()
    for (const [inode, { until }] of this.#searches) {
      if (until > now) {
        this.#timer = setTimeout(() => this.#giveUpLate(), until - now)
        return
      }
      this.#settle(inode, undefined)
    }
  }

  /** What one turn brought together is looked for together. */
  #begin(): void {
    const wanted = this.#wanted
    this.#wanted = []
    if (this.#isOver) return
    const near = this.#near.find(wanted)
    for (const [inode, holder] of near) {
      this.#remember(inode, holder)
      this.#settle(inode, holder.program.app)
    }
    const others = wanted.filter(({ inode }) => !near.has(inode))
    if (others.length === 0) return
    const order = packSockets(others)
    this.#worker.postMessage(order, [order.buffer])
  }

  #handleReport({ found }: SearchReport): void {
    for (const [inode, holder] of found) {
      // Without a mark it could not be seen whether it is still the same.
      const isLasting = holder !== undefined && holder.program.mark !== ''
      if (isLasting) this.#remember(inode, holder)
      const search = this.#settle(inode, holder?.program.app)
      if (isLasting && search !== undefined) this.#near.remember(search.socket, holder)
    }
  }

  #settle(inode: number, app: App | undefined): Search | undefined {
    const search = this.#searches.get(inode)
    if (search === undefined) return undefined
    this.#searches.delete(inode)
    search.resolve(app)
    return search
  }

  #remember(inode: number, holder: Holder): void {
    this.#cached.set(inode, holder)
    for (const oldest of this.#cached.keys()) {
      if (this.#cached.size <= MAX_CACHED) break
      this.#cached.delete(oldest)
    }
  }

  #fail(fault: Fault): void {
    if (this.#isOver) return
    this.#end()
    this.#parts.onFailure(fault)
  }

  #end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#diag.close()
    for (const inode of [...this.#searches.keys()]) this.#settle(inode, undefined)
    this.#cached.clear()
    this.#near.clear()
  }
}

interface Search {
  readonly socket: LocalSocket
  readonly result: Promise<App | undefined>
  readonly resolve: (app: App | undefined) => void
  readonly until: number
}
