import { CircuitKeyRing } from '../../hub/circuit-keys.ts'
import { type CircuitPeer, CircuitService, type CircuitServiceOptions } from '../../hub/circuit-service.ts'
import { HubMetrics } from '../../hub/metrics.ts'
import type { ReplayJournal } from '../../hub/replay-journal.ts'
import { firstGranuleAfterStart, MAX_TAGS, ReplayStore } from '../../hub/replay-store.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { FaultCode } from '../../shared/base/fault-codes.ts'
import { NetworkTime } from '../../shared/base/network-time.ts'
import type { PacketMessage } from '../../shared/cell/message.ts'
import type { Purpose } from '../../shared/cell/purpose.ts'
import { ClientCircuit, type ClientCircuitOptions } from '../../shared/circuit/client-circuit.ts'
import type { ExitCircuit } from '../../shared/circuit/exit-circuit.ts'
import { SWITCH_DELAY_MS } from '../../shared/circuit/timers.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { NO_BINDING } from '../../shared/crypto/handshake.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { encodeFrame, FRAME_TYPES, type FrameHeader } from '../../shared/link/frame.ts'
import { FrameReader } from '../../shared/link/frame-reader.ts'
import { Link } from '../../shared/link/link.ts'
import { MemoryLedger } from '../../shared/link/memory-ledger.ts'
import { ManualClock } from './manual-clock.ts'

export const NETWORK_ID = new Uint8Array(32).fill(7)
export const START_MS = Date.UTC(2026, 0, 1)
/** As long as nothing is heard on a link for less than this, nobody takes it for dead. */
const STEP_MS = 10_000

/** Frames may be changed, dropped or multiplied on their way: what an evil relay or wire does. */
export type Tamper = (header: FrameHeader, frame: Uint8Array, from: string, to: string) => Uint8Array[]

/** What the destination of a circuit saw and did. */
export interface ExitRecord {
  readonly circuit: () => ExitCircuit
  readonly target: Purpose[]
  readonly received: Uint8Array[]
  readonly packets: PacketMessage[]
  readonly events: string[]
}

export interface MemoryHub {
  readonly name: string
  readonly id: Uint8Array
  readonly key: HubKey
  readonly keys: CircuitKeyRing
  readonly service: CircuitService
  readonly replays: ReplayStore
  readonly metrics: HubMetrics
  readonly exits: ExitRecord[]
  /** Does this hub take a peer with this key for a hub? */
  readonly peerIsHub: (id: Uint8Array) => boolean
}

export interface ClientRecord {
  readonly circuit: ClientCircuit
  readonly received: Uint8Array[]
  readonly packets: PacketMessage[]
  /** What the opener does besides; nothing if the test says nothing. */
  onWritable: () => void
  onFinished: () => void
  readonly events: string[]
  fault: Fault | undefined
  closed: boolean
}

interface Wire {
  readonly ends: readonly [string, string]
  readonly links: readonly [Link, Link]
  readonly readers: readonly [FrameReader, FrameReader]
  /** Bytes that each end wrote. */
  readonly written: [number, number]
  /** Stands for the value of the TLS exporter: no other link ever has it. */
  readonly binding: Uint8Array | undefined
}

export interface MemoryNetworkOptions {
  /** What the destinations do with a connect: answer at once, refuse, or leave it to the test. */
  readonly onConnect?: (record: ExitRecord, target: Purpose) => void
  readonly hubOptions?: Partial<CircuitServiceOptions>
  /** Release received bytes at once, or leave it to the test (a reader that stalls). */
  readonly autoRelease?: boolean
  /** Links give no value that keys could be bound to, as over noise. */
  readonly unbound?: boolean
  /** Where a hub keeps the CREATEs that it took. Default: nowhere, so that a new process knows nothing of them. */
  readonly journal?: (hub: string, isFirstStart: boolean, nowGranule: number) => ReplayJournal
}

/** Real hubs, links and circuits without sockets: bytes move when `run` is called, time when the clock is. */
export class MemoryNetwork {
  readonly clock = new ManualClock()
  readonly hubs = new Map<string, MemoryHub>()
  readonly #options: MemoryNetworkOptions
  readonly #wires: Wire[] = []
  #bindings = 0
  readonly #time = new NetworkTime()
  readonly #identities = new Map<string, Uint8Array>()
  tamper: Tamper = (_header, frame) => [frame]
  /** Hubs to which a link is being made: until then, or for ever if it is rejected. */
  readonly dialling = new Map<string, Promise<void>>()

  constructor(hubNames: readonly string[], options: MemoryNetworkOptions = {}) {
    this.#options = options
    this.#time.set(START_MS, this.clock.now())
    for (const name of hubNames) this.addHub(name)
  }

  get time(): NetworkTime {
    return this.#time
  }

  /** With `restartOf` the keys of that hub are loaded by a new process: its links are gone, and its memory. */
  addHub(name: string, restartOf?: MemoryHub, options: Partial<CircuitServiceOptions> = {}): MemoryHub {
    const key = restartOf?.key ?? HubKey.generate()
    if (restartOf !== undefined) this.#cut(name)
    const granule = this.#time.granuleAt(this.clock.now())
    const journal = this.#options.journal?.(name, restartOf === undefined, granule)
    const notBefore = journal?.knownFrom ?? firstGranuleAfterStart(granule)
    const keys =
      restartOf === undefined
        ? CircuitKeyRing.fresh(this.#time.at(this.clock.now()))
        : new CircuitKeyRing({ ...restartOf.keys.current, notBefore })
    const replays = new ReplayStore(MAX_TAGS, journal, journal?.seen)
    const metrics = new HubMetrics()
    const exits: ExitRecord[] = []
    const isHub = (id: Uint8Array): boolean => [...this.hubs.values()].some((hub) => toHex(hub.id) === toHex(id))
    const service = new CircuitService(
      {
        hubId: key.publicBytes,
        networkId: NETWORK_ID,
        roles: { home: true, relay: true, exit4: true, exit6: true },
        maxCircuits: 10_000,
        clientRate: { perSecond: 1_000, burst: 1_000 },
        hubRate: { perSecond: 1_000, burst: 1_000 },
        ...this.#options.hubOptions,
        ...options,
      },
      {
        clock: this.clock,
        time: this.#time,
        keys,
        replays,
        metrics,
        isHub,
        afterWriting: queueMicrotask,
        openCircuitTo: async (id, group) => {
          const next = this.#nameOf(id)
          await this.dialling.get(next)
          return this.#linkFrom(name, next).openCircuit(group)
        },
        exit: (circuit) => this.#exit(circuit, exits),
      },
    )
    const hub = { name, id: key.publicBytes, key, keys, service, replays, metrics, exits, peerIsHub: isHub }
    this.hubs.set(name, hub)
    this.#identities.set(name, key.publicBytes)
    return hub
  }

  hub(name: string): MemoryHub {
    const hub = this.hubs.get(name)
    if (hub === undefined) throw new Error(`no hub ${name}`)
    return hub
  }

  /** A link of `client` to its home hub, with what a handshake over it is bound to. */
  join(client: string, home: string): { link: Link; clientKey: Uint8Array; linkBinding: Uint8Array } {
    const clientKey = this.#identities.get(client) ?? HubKey.generate().publicBytes
    this.#identities.set(client, clientKey)
    const link = this.#linkFrom(client, home)
    const wire = this.#wires.find(({ links }) => links.includes(link)) as Wire
    return { link, clientKey, linkBinding: wire.binding ?? NO_BINDING }
  }

  /** A circuit of `client` over these hubs. */
  open(client: string, path: readonly string[], options: Partial<ClientCircuitOptions> = {}): ClientRecord {
    const { link, clientKey, linkBinding } = this.join(client, path[0] as string)
    const record: Omit<ClientRecord, 'circuit'> = {
      ...{ received: [], packets: [], events: [], fault: undefined, closed: false },
      ...{ onWritable() {}, onFinished() {} },
    }
    const circuit: ClientCircuit = new ClientCircuit(
      {
        networkId: NETWORK_ID,
        path: path.map((name) => this.pathHop(name)),
        clientKey,
        linkBinding,
        granule: this.#time.granuleAt(this.clock.now()),
        target: { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 },
        targetAfterAnswer: false,
        ...options,
      },
      link.openCircuit(),
      {
        opened: (family) => record.events.push(`opened ${family}`),
        data: (bytes, cost) => {
          record.received.push(bytes)
          if (this.#options.autoRelease !== false) circuit.release(cost)
        },
        packet: (message) => record.packets.push(message),
        finished: () => {
          record.events.push('finished')
          record.onFinished()
        },
        writable: () => {
          record.events.push('writable')
          record.onWritable()
        },
        closed: (fault) => {
          record.fault = fault
          record.closed = true
          record.events.push(`closed ${fault?.code ?? 'cleanly'}`)
        },
      },
      this.clock.now(),
    )
    return Object.assign(record, { circuit })
  }

  /** The same, until nothing moves any more: it is open, and has switched to full keys by a cell without messages. */
  async openSwitched(
    client: string,
    path: readonly string[],
    options: Partial<ClientCircuitOptions> = {},
  ): Promise<ClientRecord> {
    const record = this.open(client, path, options)
    await this.run()
    await this.pass(SWITCH_DELAY_MS, [record])
    return record
  }

  pathHop(name: string): { hubId: Uint8Array; key: CircuitPublicKey } {
    const hub = this.hub(name)
    return { hubId: hub.id, key: new CircuitPublicKey(hub.keys.current.pair.publicBytes) }
  }

  /** The link between two parties, for tests that look into it. */
  link(from: string, to: string): Link {
    return this.#linkFrom(from, to)
  }

  /** Everything that is not over yet, as `hub a` or `link a>b`: empty when nothing is left of any circuit. */
  get remains(): string[] {
    const hubs = [...this.hubs.values()].flatMap(({ name, service }) =>
      service.circuitCount > 0 ? [`hub ${name}`] : [],
    )
    const links = this.#wires.flatMap(({ ends, links: both }) =>
      both.flatMap((link, i) => (link.circuitCount > 0 ? [`link ${ends[i]}>${ends[1 - i]}`] : [])),
    )
    return [...hubs, ...links]
  }

  /** Lets all bytes flow until nothing moves any more. Promises settle in between. */
  async run(): Promise<void> {
    for (let round = 0; round < 100_000; round++) {
      await Promise.resolve()
      await new Promise((resolve) => setImmediate(resolve))
      const moved = this.#wires.map((wire) => this.#move(wire)).some(Boolean)
      if (!moved) {
        await new Promise((resolve) => setImmediate(resolve))
        if (!this.#wires.map((wire) => this.#move(wire)).some(Boolean)) return
      }
    }
    throw new Error('the network does not come to rest')
  }

  /** Time passes, in steps in which links stay alive, and every part is told. */
  async pass(ms: number, clients: readonly ClientRecord[] = []): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) await this.#step(Math.min(left, STEP_MS), clients)
  }

  async #step(ms: number, clients: readonly ClientRecord[]): Promise<void> {
    this.clock.advance(ms)
    const now = this.clock.now()
    for (const { links } of this.#wires) for (const link of links) link.tick(now)
    for (const hub of this.hubs.values()) hub.service.tick(now)
    for (const { circuit } of clients) circuit.tick(now)
    await this.run()
  }

  #exit(circuit: () => ExitCircuit, exits: ExitRecord[]) {
    const record: ExitRecord = { circuit, target: [], received: [], packets: [], events: [] }
    exits.push(record)
    return {
      connect: (target: Purpose) => {
        record.target.push(target)
        const onConnect = this.#options.onConnect ?? (({ circuit: opened }) => opened().connected(4))
        queueMicrotask(() => onConnect(record, target))
      },
      data: (bytes: Uint8Array, cost: number) => {
        record.received.push(bytes)
        if (this.#options.autoRelease !== false) circuit().release(cost)
      },
      packet: (message: PacketMessage) => void record.packets.push(message),
      finished: () => void record.events.push('finished'),
      writable: () => void record.events.push('writable'),
      closed: (because: FaultCode | undefined) => void record.events.push(`closed ${because ?? 'cleanly'}`),
    }
  }

  #nameOf(id: Uint8Array): string {
    for (const hub of this.hubs.values()) if (toHex(hub.id) === toHex(id)) return hub.name
    throw new Fault('next-unknown')
  }

  #linkFrom(from: string, to: string): Link {
    for (const { ends, links } of this.#wires) {
      if (ends[0] === from && ends[1] === to) return links[0]
      if (ends[1] === from && ends[0] === to) return links[1]
    }
    return this.#connect(from, to)
  }

  #cut(name: string): void {
    const left = this.#wires.filter(({ ends }) => !ends.includes(name))
    this.#wires.splice(0, this.#wires.length, ...left)
  }

  #connect(from: string, to: string): Link {
    const unique = new Uint8Array(32)
    new DataView(unique.buffer).setUint32(0, ++this.#bindings)
    const binding = this.#options.unbound === true ? undefined : unique
    const make = (self: string, peer: string, initiator: boolean): Link => {
      const peerOf: CircuitPeer = {
        get peerKey() {
          return identities.get(peer) as Uint8Array
        },
        binding,
      }
      return new Link(
        { networkId: NETWORK_ID, initiator, maxCircuits: 10_000, ledger: new MemoryLedger(Number.POSITIVE_INFINITY) },
        {
          wake: () => {},
          wakeLater: () => {},
          ready: () => {},
          circuit: (end, cellClass, body) => {
            const hub = this.hubs.get(self)
            if (hub === undefined) end.abort()
            else hub.service.accept(peerOf, end, cellClass, body)
          },
          control: () => {},
          closed: () => {},
        },
        this.clock.now(),
      )
    }
    const identities = this.#identities
    const links = [make(from, to, true), make(to, from, false)] as const
    this.#wires.push({
      ends: [from, to],
      links,
      readers: [new FrameReader(), new FrameReader()],
      written: [0, 0],
      binding,
    })
    return links[0]
  }

  #move({ ends, links, readers, written }: Wire): boolean {
    let moved = false
    for (const side of [0, 1] as const) {
      const other = side === 0 ? 1 : 0
      const chunks = links[side].pull(64 * 1024, this.clock.now())
      for (const chunk of chunks) {
        moved = true
        written[side] += chunk.length
        readers[side].push(chunk, (header, frame) => {
          if (header.type === FRAME_TYPES.ack) return true
          const out = this.tamper(header, frame.slice(), ends[side], ends[other])
          for (const one of out) links[other].receive(one, this.clock.now())
          return true
        })
      }
      if (chunks.length > 0 && links[side].greeted) links[side].receive(ackOf(written[side]), this.clock.now())
    }
    return moved
  }
}

/** The wires themselves acknowledge what they take: what the other side gets may have more or fewer bytes than were sent. */
function ackOf(bytes: number): Uint8Array {
  const payload = new Uint8Array(8)
  new DataView(payload.buffer).setBigUint64(0, BigInt(bytes))
  return encodeFrame(FRAME_TYPES.ack, 0, payload)
}

export function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
