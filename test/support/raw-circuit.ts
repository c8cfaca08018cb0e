import type { CircuitPeer } from '../../hub/circuit-service.ts'
import { ByteWriter } from '../../shared/base/byte-writer.ts'
import { EMPTY } from '../../shared/base/bytes.ts'
import { readAnswer, STATUS_OK } from '../../shared/cell/answer.ts'
import { bodyOf, CELL_TYPES, type CellClass, type CellType, capacityOf, newFrame } from '../../shared/cell/cell.ts'
import { buildCreate, openCreate, readOffer } from '../../shared/cell/create.ts'
import { type LayerOpener, LayerSealer } from '../../shared/cell/layer.ts'
import { decodeMessages, encodeMessage, type Message } from '../../shared/cell/message.ts'
import type { Purpose } from '../../shared/cell/purpose.ts'
import type { Target } from '../../shared/cell/target.ts'
import { HubHop } from '../../shared/circuit/hub-hop.ts'
import { receive } from '../../shared/crypto/handshake.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { openLayerBytes, sealLayers } from './layers.ts'
import { type MemoryHub, type MemoryNetwork, NETWORK_ID } from './memory-network.ts'

export const WEB: Target = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 }
const NO_BINDING = new Uint8Array(32)

/** The application bytes of a cell with these messages. */
export function cellOf(...messages: readonly Message[]): Uint8Array {
  const bytes = new Uint8Array(capacityOf(4))
  const writer = new ByteWriter(bytes)
  for (const message of messages) encodeMessage(message, writer)
  return bytes.subarray(0, writer.offset)
}

export interface RawClientOptions {
  readonly target?: Purpose | undefined
  readonly granule?: number
  /** Of what the exit sends nothing is released. */
  readonly stalls?: boolean
}

/** A client that keeps to no rule: it can send any cell at any time, under keys that are right. */
export class RawClient {
  readonly end: CircuitEnd
  readonly received: Message[] = []
  closed = false
  answered: ReturnType<typeof readAnswer>
  #forward: LayerSealer[]
  #backward: readonly LayerOpener[] = []

  constructor(network: MemoryNetwork, path: readonly string[], options: RawClientOptions = {}, name = 'client') {
    const { link, clientKey, linkBinding } = network.join(name, path[0] as string)
    const target = 'target' in options ? options.target : WEB
    const granule = options.granule ?? network.time.granuleAt(network.clock.now())
    const hops = path.map((hop, i) => {
      const { hubId, key } = network.pathHop(hop)
      const previousId = i === 0 ? clientKey : network.hub(path[i - 1] as string).id
      const binding = i === 0 ? linkBinding : NO_BINDING
      return { context: { networkId: NETWORK_ID, hubId, previousId, linkBinding: binding }, key }
    })
    const { frame, initiated } = buildCreate(hops, granule, target)
    this.#forward = initiated.map(
      ({ early }, i) =>
        new LayerSealer(
          { direction: 'forward', phase: 'early', place: i + 1 },
          { key: early.earlyKey, ratchet: EMPTY },
        ),
    )
    this.end = link.openCircuit()
    this.end.attach({
      onCell: (type, cellClass, body) => {
        if (options.stalls !== true) this.end.release(body.length + 8)
        if (type !== CELL_TYPES.answer) return this.#open(type, cellClass, body)
        this.answered = readAnswer(body, initiated)
        const full = this.answered?.hops ?? []
        if (this.answered?.failed !== undefined) return
        this.#backward = full.map(({ backward }) => backward)
        this.#forward = full.map(
          (hop, i) => new LayerSealer({ direction: 'forward', phase: 'full', place: i + 1 }, hop.full.forward),
        )
      },
      ...{ onSent() {}, onRoom() {} },
      onClosed: () => {
        this.closed = true
      },
    })
    this.end.send(CELL_TYPES.create, frame)
  }

  /** A cell with these application bytes; after the answer the first one must be a SWITCH. */
  send(application: Uint8Array, type: CellType = CELL_TYPES.cell, cellClass: CellClass = 1): void {
    const frame = newFrame(cellClass)
    const body = bodyOf(frame)
    body.set(application)
    sealLayers(this.#forward, frame, cellClass, type)
    this.end.send(type, frame)
  }

  /** The first cell under full keys, with these messages. */
  switch(...messages: readonly Message[]): void {
    this.send(cellOf(...messages), CELL_TYPES.switch)
  }

  #open(type: CellType, cellClass: CellClass, body: Uint8Array): void {
    let layer: Uint8Array | undefined = body
    for (const opener of this.#backward) layer = layer && openLayerBytes(opener, layer, cellClass, type)
    this.received.push(...((layer && decodeMessages(layer.subarray(0, capacityOf(cellClass)))) ?? []))
  }
}

/** An exit that keeps to no rule. Takes the place of a hub of the network, as the last one of a path. */
export class RawExit {
  end: CircuitEnd | undefined
  readonly received: { type: CellType; plain: Uint8Array | undefined }[] = []
  #hop: HubHop | undefined
  #answer: Uint8Array | undefined
  readonly #answers: boolean

  /** @param answers sends its ANSWER when the CREATE comes */
  constructor(hub: MemoryHub, answers = true) {
    this.#answers = answers
    const evil = { accept: this.#accept(hub), tick() {}, circuitCount: 0, drain() {}, close() {} }
    Object.assign(hub, { service: evil })
  }

  /** A cell with these application bytes, under this exit's keys. */
  send(application: Uint8Array, cellClass: CellClass = 1): void {
    const plain = new Uint8Array(bodyOf(newFrame(cellClass)).length)
    plain.set(application)
    if (this.#hop !== undefined) this.end?.send(CELL_TYPES.cell, this.#hop.sealBackward(plain, cellClass))
  }

  /** Any frame. */
  sendFrame(type: CellType, frame: Uint8Array): void {
    this.end?.send(type, frame)
  }

  /** Its ANSWER; from the second time on the same bytes again, as a hub has the keys for one. */
  answer(status = STATUS_OK): Uint8Array {
    if (this.#hop === undefined) throw new Error('no CREATE yet')
    this.#answer ??= this.#hop.answer(status, undefined).slice()
    return this.#answer.slice()
  }

  #accept(hub: MemoryHub) {
    return (from: CircuitPeer, end: CircuitEnd, cellClass: CellClass, body: Uint8Array): void => {
      const offer = readOffer(body)
      const isHub = hub.peerIsHub(from.peerKey)
      const context = {
        networkId: NETWORK_ID,
        hubId: hub.id,
        previousId: from.peerKey,
        linkBinding: isHub ? NO_BINDING : (from.binding ?? NO_BINDING),
      }
      const received = receive(context, hub.keys.current.pair, offer)
      const create = received && openCreate(body, cellClass, isHub, received)
      if (received === undefined || create === undefined) return end.abort()
      this.end = end
      const hop = new HubHop(create, received)
      this.#hop = hop
      this.#answer = undefined
      end.attach({
        ...{ onSent() {}, onRoom() {}, onClosed() {} },
        onCell: (type, cls, cell) => {
          end.release(cell.length + 8)
          const plain = new Uint8Array(hop.deeperBytes(cls))
          this.received.push({ type, plain: hop.openForward(type, cls, cell, plain, 0) ? plain : undefined })
        },
      })
      if (this.#answers) end.send(CELL_TYPES.answer, this.answer())
    }
  }
}
