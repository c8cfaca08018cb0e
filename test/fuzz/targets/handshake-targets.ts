import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { concatBytes, equalBytes } from '../../../shared/base/bytes.ts'
import { buildAnswer, readAnswer, STATUS_OK } from '../../../shared/cell/answer.ts'
import { bodyBytesOf, bodyOf, type CellClass } from '../../../shared/cell/cell.ts'
import { buildCreate, type CreateHop, innerCreate, openCreate, readOffer } from '../../../shared/cell/create.ts'
import { LayerSealer } from '../../../shared/cell/layer.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { type Initiated, receive } from '../../../shared/crypto/handshake.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { TARGETS } from './cell-targets.ts'

/** The same keys in every run, so that kept inputs stay what they were. */
const PAIR = CircuitKeyPair.fromBytes(new Uint8Array(96).fill(0x5a))
const KEY = new CircuitPublicKey(PAIR.publicBytes)
const NETWORK_ID = new Uint8Array(32).fill(7)
const NO_BINDING = new Uint8Array(32)
const BINDING = new Uint8Array(32).fill(3)
const CLIENT = new Uint8Array(32).fill(0xc)
const GRANULE = 29_000_000

const hubId = (place: number): Uint8Array => new Uint8Array(32).fill(place)

function pathOf(hops: number): CreateHop[] {
  return Array.from({ length: hops }, (_, i) => ({ context: contextOf(i + 1), key: KEY }))
}

function contextOf(place: number) {
  const previousId = place === 1 ? CLIENT : hubId(place - 1)
  return { networkId: NETWORK_ID, hubId: hubId(place), previousId, linkBinding: place === 1 ? BINDING : NO_BINDING }
}

/** What the hub at this place makes of the body. */
function openAt(place: number, body: Uint8Array, cellClass: CellClass) {
  const received = receive(contextOf(place), PAIR, readOffer(body))
  const create = received && openCreate(body, cellClass, place > 1, received)
  return received && create && { received, create }
}

/** place u8 | a body, of the class that fits */
const create: FuzzTarget = {
  name: 'create',
  about: 'a CREATE, opened by the hub at some place',
  maxBytes: 1 + bodyBytesOf(4),
  seeds: () =>
    [1, 2, 3, 4].map((hops) => {
      const { frame } = buildCreate(pathOf(hops), GRANULE, TARGETS[hops - 1])
      return concatBytes(Uint8Array.of(0), bodyOf(frame))
    }),
  run(input) {
    const place = ((input[0] ?? 0) % 4) + 1
    const cellClass: CellClass = input.length > 6000 ? 4 : 3
    const body = new Uint8Array(bodyBytesOf(cellClass))
    body.set(input.subarray(1, 1 + body.length))
    const opened = openAt(place, body, cellClass)
    if (opened === undefined) return 'refused'
    const { routing } = opened.create
    promise(opened.create.place === place, 'it opens at the place that it was made for')
    promise(routing.granule === GRANULE, 'what opens is what the client made')
    if (routing.role === 'exit') return 'exit'
    promise(equalBytes(routing.nextId, hubId(place + 1)), 'and leads where the client said')
    const next = openAt(place + 1, bodyOf(innerCreate(routing.inner, cellClass)), cellClass)
    return `relay, then ${next?.create.routing.role ?? 'refused'}`
  },
}

/** The keys of a hop with what a hub answers with; made once, since a key exchange is what costs. */
function answeringHop(hops: number): { initiated: Initiated[]; frames: (status: number[]) => Uint8Array } {
  const { frame, initiated, cellClass } = buildCreate(pathOf(hops), GRANULE, TARGETS[0])
  let body = bodyOf(frame)
  const opened = initiated.map((_, i) => {
    const at = openAt(i + 1, body, cellClass)
    promise(at !== undefined, 'a CREATE opens all along its path')
    const { routing } = at.create
    if (routing.role === 'relay') body = bodyOf(innerCreate(routing.inner, cellClass))
    return { place: i + 1, ...at.received.respond(at.create.early) }
  })
  const frames = (status: number[]): Uint8Array =>
    opened.reduceRight<Uint8Array | undefined>((deeper, { place, y, full }) => {
      const secrets = { key: full.backward.key.slice(), ratchet: full.backward.ratchet.slice() }
      const backward = new LayerSealer({ direction: 'backward', phase: 'full', place }, secrets)
      const answer = buildAnswer({ place, y, confirm: full.confirm, backward }, status[place - 1] ?? STATUS_OK, deeper)
      backward.close()
      return bodyOf(answer)
    }, undefined) as Uint8Array
  return { initiated, frames }
}

const answering = new Map<number, ReturnType<typeof answeringHop>>()
const CLEAR_TO_LAST = 81

/** hops u8 | status u8 of each hop | ( offset u16 | what to XOR with u8 ) × n, done to the finished ANSWER */
const answer: FuzzTarget = {
  name: 'answer',
  about: 'an ANSWER of 1 to 4 hops, changed on its way to the client',
  maxBytes: 64,
  seeds: () => [
    ...[0, 1, 2, 3].map((hops) => Uint8Array.of(hops, 0, 0, 0, 0)),
    Uint8Array.of(2, 0, 6, 0),
    Uint8Array.of(2, 0, 0, 0, 0, 40, 1),
  ],
  run(input) {
    const reader = new ByteReader(input)
    const hops = (reader.u8() % 4) + 1
    const status = Array.from({ length: hops }, () => reader.u8())
    const made = answering.get(hops) ?? answeringHop(hops)
    answering.set(hops, made)
    const honest = made.frames(status)
    const body = honest.slice()
    while (reader.remaining >= 3) {
      const at = reader.u16() % body.length
      body[at] = (body[at] as number) ^ reader.u8()
    }
    const read = readAnswer(body, made.initiated)
    for (const { backward } of read?.hops ?? []) backward.close()
    const failedAt = status.findIndex((one) => one !== STATUS_OK) + 1
    if (equalBytes(body, honest)) {
      promise(read !== undefined && (read.failed?.place ?? 0) === failedAt, 'the client learns which hop failed')
      promise(read.failed === undefined || read.failed.status === status[failedAt - 1], 'and why')
      return failedAt === 0 ? 'answered' : 'failed'
    }
    promise(read === undefined, 'every bit is authenticated')
    return body.subarray(0, CLEAR_TO_LAST).some((byte, i) => byte !== honest[i]) ? 'changed' : 'changed deeper'
  },
}

export const HANDSHAKE_TARGETS: readonly FuzzTarget[] = [create, answer]
