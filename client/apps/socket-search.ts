import type { ProcessTexts, SocketHolder } from '../native/native.ts'
import { identify, userIds } from './app-identity.ts'
import { placeOf, RememberedPids } from './remembered-pids.ts'
import type { Holder, Program, WantedSocket } from './search-messages.ts'

/** What the search asks the system. */
export interface ProcessSource {
  /** All processes that can be seen, the newest first. */
  pids(): readonly number[]
  /** Those of a control group, the newest first. Undefined if it cannot be told. */
  pidsOfCgroup(id: number): readonly number[] | undefined
  findOpenSockets(pid: number, inodes: Uint32Array, knownMark: string | undefined): SocketHolder | undefined
  /** A process that has ended, as it was started. */
  endedProgram(pid: number, startTime: string): ProcessTexts | undefined
  userNames(): ReadonlyMap<number, string>
}

/** Sockets that wait to be looked for. */
export const MAX_WAITING = 8_192
const MAX_PLACES = 256
const MAX_PROCESSES = 1_024

/** What is known of a process: it holds as long as the mark is the same. */
interface KnownProcess {
  readonly mark: string
  readonly texts: ProcessTexts
  /** By the user who made the socket. */
  readonly programs: Map<number, Program>
}

/** A search over many processes, some of them at a time. */
interface Sweep {
  readonly wanted: ReadonlyMap<number, WantedSocket>
  readonly inodes: Uint32Array<ArrayBuffer>
  readonly pids: readonly number[]
  at: number
  /** By inode. A socket that two apps have open has none. */
  readonly holders: Map<number, Holder | 'several'>
}

/**
 * Finds the process that has a socket open. First those are looked at that had one of the same user, made in the same
 * control group; then all of that group, or all of the computer where the group cannot be told. There all have to be
 * looked at: a socket that several apps have open is nobody's (attack: a socket that is handed to another program).
 *
 * Runs in a thread of its own; `step` does a small part of the work.
 */
export class SocketSearch {
  readonly #source: ProcessSource
  readonly #remembered = new RememberedPids(MAX_PLACES)
  readonly #known = new Map<number, KnownProcess>()
  #near: WantedSocket[] = []
  #far: WantedSocket[] = []
  #sweep: Sweep | undefined

  constructor(source: ProcessSource) {
    this.#source = source
  }

  get isIdle(): boolean {
    return this.#near.length === 0 && this.#far.length === 0 && this.#sweep === undefined
  }

  /** What there is no room for is not looked for: whoever asked gives up in time. */
  add(sockets: readonly WantedSocket[]): void {
    const room = MAX_WAITING - this.#near.length - this.#far.length
    if (room > 0) this.#near.push(...sockets.slice(0, room))
  }

  /** Does the next part: at most so many processes. Gives the sockets that are decided. */
  step(maxProcesses: number): [inode: number, holder: Holder | undefined][] {
    if (this.#near.length > 0) return this.#searchNear()
    if (this.#sweep === undefined) this.#beginSweep()
    return this.#goOn(maxProcesses)
  }

  #searchNear(): [number, Holder][] {
    const found: [number, Holder][] = []
    for (const [place, sockets] of groupBy(this.#near, placeOf)) {
      const open = new Map(sockets.map((socket) => [socket.inode, socket]))
      for (const pid of this.#remembered.get(place)) {
        if (open.size === 0) break
        for (const [inode, holder] of this.#look(pid, open)) {
          if (holder === undefined) continue
          open.delete(inode)
          found.push([inode, holder])
          this.#remembered.add(place, pid)
        }
      }
      this.#far.push(...open.values())
    }
    this.#near = []
    return found
  }

  /** For all that wait, together. */
  #beginSweep(): void {
    const sockets = this.#far
    this.#far = []
    if (sockets.length === 0) return
    const groups = [...new Set(sockets.map(({ cgroup }) => cgroup))].map((id) => this.#source.pidsOfCgroup(id))
    const known = groups.every((group) => group !== undefined)
    this.#sweep = {
      wanted: new Map(sockets.map((socket) => [socket.inode, socket])),
      inodes: Uint32Array.from(sockets, ({ inode }) => inode),
      pids: known ? [...new Set(groups.flat())] : this.#source.pids(),
      at: 0,
      holders: new Map(),
    }
  }

  #goOn(maxProcesses: number): [number, Holder | undefined][] {
    const sweep = this.#sweep
    if (sweep === undefined) return []
    const { wanted, pids, holders } = sweep
    for (const pid of pids.slice(sweep.at, sweep.at + maxProcesses)) {
      for (const [inode, holder] of this.#look(pid, wanted, sweep.inodes)) {
        const other = holders.get(inode)
        const isSame = other === undefined || (other !== 'several' && other.program.app.key === holder?.program.app.key)
        holders.set(inode, holder === undefined || !isSame ? 'several' : holder)
      }
    }
    sweep.at += maxProcesses
    if (sweep.at < pids.length) return []
    this.#sweep = undefined
    return [...wanted.values()].map((socket) => {
      const holder = holders.get(socket.inode)
      if (holder === undefined || holder === 'several') return [socket.inode, undefined]
      this.#remembered.add(placeOf(socket), holder.program.app.pid)
      return [socket.inode, holder]
    })
  }

  /** The sockets among the wanted ones that this process has open; a holder that is no app that we know is undefined. */
  #look(
    pid: number,
    wanted: ReadonlyMap<number, WantedSocket>,
    inodes = Uint32Array.from(wanted.keys()),
  ): [number, Holder | undefined][] {
    const known = this.#known.get(pid)
    const seen = this.#source.findOpenSockets(pid, inodes, known?.mark)
    if (seen === undefined) return []
    const sockets = seen.sockets.flatMap(({ inode, descriptor }) => {
      const uid = wanted.get(inode)?.uid
      return uid === undefined ? [] : [{ inode, descriptor, uid }]
    })
    const process = this.#processOf(pid, seen, known)
    if (process === known && known !== undefined && sockets.some(({ uid }) => !mayHave(known.texts, uid))) {
      // A process may change its users and stay the same program.
      this.#known.delete(pid)
      return this.#look(pid, wanted, inodes)
    }
    return sockets.map(({ inode, descriptor, uid }) => {
      const program = process && this.#programOf(process, pid, uid)
      return [inode, program && { program, descriptor }]
    })
  }

  #processOf(pid: number, { mark, texts, startTime }: SocketHolder, known?: KnownProcess): KnownProcess | undefined {
    if (mark === undefined) {
      const ended = this.#source.endedProgram(pid, startTime)
      return ended && { mark: '', texts: ended, programs: new Map() }
    }
    if (texts === undefined) return known
    const process = { mark, texts, programs: new Map() }
    this.#remember(pid, process)
    return process
  }

  #programOf({ mark, texts, programs }: KnownProcess, pid: number, uid: number): Program | undefined {
    const known = programs.get(uid)
    if (known !== undefined) return known
    const app = mayHave(texts, uid) ? identify(texts, pid, uid, this.#source.userNames()) : undefined
    if (app === undefined) return undefined
    const program = { app, mark }
    programs.set(uid, program)
    return program
  }

  #remember(pid: number, process: KnownProcess): void {
    this.#known.delete(pid)
    this.#known.set(pid, process)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_PROCESSES) break
      this.#known.delete(oldest)
    }
  }
}

/**
 * Whoever made a socket is one of the users of its process. Only what root made may be another one's: daemons open their
 * ports before they give up being root (attack: a socket that is handed to a program of somebody else).
 */
function mayHave({ status }: ProcessTexts, uid: number): boolean {
  return uid === 0 || userIds(status).includes(uid)
}

function groupBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(keyOf(one))
    if (group === undefined) groups.set(keyOf(one), [one])
    else group.push(one)
  }
  return groups
}
