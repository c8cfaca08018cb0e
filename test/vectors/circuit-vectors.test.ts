import { describe, expect, test } from '@jest/globals'
import { EMPTY, toHex } from '../../shared/base/bytes.ts'
import { bodyBytesOf, bodyOf, type CellClass, type CellType, capacityOf, newFrame } from '../../shared/cell/cell.ts'
import { LayerOpener, LayerSealer } from '../../shared/cell/layer.ts'
import { decodeMessages } from '../../shared/cell/message.ts'
import { type Aead, createAead, PortableAead } from '../../shared/crypto/aead.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { initiate, receive } from '../../shared/crypto/handshake.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { hkdf, portableHkdf, sha256 } from '../../shared/crypto/kdf.ts'
import { MlKemPrivateKey, PortableDecapsulator } from '../../shared/crypto/ml-kem.ts'
import { PortableX25519Key, X25519PrivateKey, X25519PublicKey } from '../../shared/crypto/x25519.ts'
import { hex } from '../support/hex.ts'
import { sealLayers } from '../support/layers.ts'
import { OurCircuit, pairOf, withChance } from './our-circuit.ts'
import { readVectors, type VectorsOf } from './vector-files.ts'

const circuitNames = readVectors('create').circuits.map(({ name }) => name)
const role = (value: number): 'relay' | 'exit' => (value === 1 ? 'relay' : 'exit')

interface WrittenBody {
  readonly bytes: number
  readonly sha256: string
  readonly body?: string
}

function expectBody(bytes: Uint8Array, expected: WrittenBody): void {
  expect({ bytes: bytes.length, sha256: toHex(sha256(bytes)) }).toEqual({
    bytes: expected.bytes,
    sha256: expected.sha256,
  })
  if (expected.body !== undefined) expect(toHex(bytes) === expected.body).toBe(true)
}

describe('our keys', () => {
  test.each(readVectors('keys').hubs)('of hub $name grow from the seeds', (hub) => {
    const pair = pairOf(hub.name)
    expect(toHex(pair.publicBytes)).toBe(hub.B + hub.K)
    expect([toHex(pair.digest), toHex(pair.id)]).toEqual([hub.digest, hub.keyId])
    expect(toHex(new CircuitPublicKey(pair.publicBytes).id)).toBe(hub.keyId)
    expect(toHex(sha256(hex(hub.digestInput)))).toBe(hub.digest)
    expect(toHex(HubKey.fromSeed(hex(hub.identitySeed)).publicBytes)).toBe(hub.hubId)
    const [B, K] = [new Uint8Array(32), new Uint8Array(1184)]
    new PortableX25519Key(hex(hub.b)).publicBytes(B)
    new PortableDecapsulator(hex(hub.kemSeed)).publicBytes(K)
    expect(toHex(B) + toHex(K)).toBe(hub.B + hub.K)
  })
})

describe('our handshake', () => {
  const cases = readVectors('handshake').cases

  test.each(cases)('has the same secrets, by the addon and by node:crypto: $name', (one) => {
    const hub = readVectors('keys').hubs.find(({ name }) => name === one.hub)!
    const secrets: [string, string, string][] = [
      [hub.b, one.X, one.xB],
      [one.x, hub.B, one.xB],
      [one.x, one.Y, one.xY],
      [one.y, one.X, one.xY],
    ]
    for (const [own, theirs, shared] of secrets) {
      const out = new Uint8Array(32)
      expect(new PortableX25519Key(hex(own)).agree(hex(theirs), out)).toBe(true)
      expect(toHex(out)).toBe(shared)
      const agreed = X25519PrivateKey.fromBytes(hex(own)).agree(new X25519PublicKey(hex(theirs)))
      expect(toHex(agreed!)).toBe(shared)
    }
    const ss = new Uint8Array(32)
    new PortableDecapsulator(hex(hub.kemSeed)).decapsulate(hex(one.ct), ss)
    expect(toHex(ss)).toBe(one.ss)
    expect(toHex(MlKemPrivateKey.fromSeed(hex(hub.kemSeed)).decapsulate(hex(one.ct)))).toBe(one.ss)
    expect(toHex(sha256(hex(one.transcriptInput)))).toBe(one.transcript)
    for (const { secret, salt, info, out } of [one.early, one.full]) {
      for (const derive of [hkdf, portableHkdf]) {
        expect(toHex(derive(hex(secret), hex(salt), hex(info), out.length / 2))).toBe(out)
      }
    }
  })

  test.each(cases)('gives both ends these keys: $name', (one) => {
    const context = {
      networkId: hex(one.networkId),
      hubId: hex(one.hubId),
      previousId: hex(one.idBefore),
      linkBinding: hex(one.linkBinding),
    }
    const pair = pairOf(one.hub)
    const encapsulated = [{ ciphertext: hex(one.ct), secret: hex(one.ss) }]
    const early = {
      createKey: one.early.createKey,
      earlyKey: one.early.earlyKey,
      chain: one.early.chain,
      replayTag: one.early.replayTag,
    }
    const full = {
      forward: { key: one.full.forwardKey, ratchet: one.full.forwardRatchet },
      backward: { key: one.full.backwardKey, ratchet: one.full.backwardRatchet },
      confirm: one.full.confirm,
    }
    const client = withChance({ x25519: [hex(one.x)], encapsulated }, () =>
      initiate(context, new CircuitPublicKey(pair.publicBytes), one.place, role(one.role)),
    )
    expect(written(client.offer)).toEqual({ keyId: toHex(pair.id), x: one.X, ciphertext: one.ct })
    expect(written(client.early)).toEqual(early)
    expect(written(client.finish(hex(one.Y))!)).toEqual(full)

    const hub = receive(context, pair, { keyId: pair.id, x: hex(one.X), ciphertext: hex(one.ct) })!
    const atHub = hub.early(one.place, role(one.role))
    expect(written(atHub)).toEqual(early)
    const answered = withChance({ x25519: [hex(one.y)] }, () => hub.respond(atHub))
    expect(written(answered)).toEqual({ y: one.Y, full })
  })
})

describe.each(circuitNames)('our circuit, %s:', (name) => {
  test('the CREATE, at the client and at every hub', () => {
    const ours = new OurCircuit(name)
    for (const [i, hop] of ours.vector.hops.entries()) {
      const { place, early, routing } = ours.opened[i]!
      expectBody(ours.received[i]!, hop.received)
      expect([place, routing.role, routing.granule]).toEqual([hop.place, role(hop.role), ours.vector.granule])
      expect(toHex(early.replayTag)).toBe(hop.replayTag)
      if (routing.role === 'relay') expect(toHex(routing.nextId)).toBe(hop.routing.slice(8))
      else expect(hop.routing.slice(8)).toBe(ours.vector.open || '00')
    }
  })

  test.each(readVectors('answer').answers.filter(({ circuit }) => circuit === name))('the ANSWER, $name', (answer) => {
    const ours = new OurCircuit(name)
    const { failedAt: place, status } = answer
    const failed = place === 0 ? undefined : { place, status }
    const bodies = ours.answers(failed)
    expect(bodies.map(toHex)).toEqual(answer.sent.map(({ body }) => body))
    const read = ours.read(bodies.at(-1)!)
    expect([read?.failed, read?.hops.length]).toEqual([failed, failed?.place ?? ours.hops.length])
  })
})

describe('our cells', () => {
  test.each(readVectors('cells').circuits)('in the circuit "$circuit"', ({ circuit, cells }) => {
    const ours = new OurCircuit(circuit)
    const answer = ours.read(ours.answers().at(-1)!)!
    const early = ours.initiated.map(
      ({ early: { earlyKey } }, i) =>
        new LayerSealer({ direction: 'forward', phase: 'early', place: i + 1 }, { key: earlyKey, ratchet: EMPTY }),
    )
    const full = answer.hops.map(
      ({ full: { forward } }, i) => new LayerSealer({ direction: 'forward', phase: 'full', place: i + 1 }, forward),
    )
    const openers = answer.hops.map(({ backward }) => backward)
    for (const cell of cells) {
      const [cellClass, type] = [cell.class as CellClass, cell.type as CellType]
      const application = hex(cell.application)
      const messages = decodeMessages(application.slice(0, capacityOf(cellClass)))
      expect([cell.name, messages === undefined]).toEqual([cell.name, false])
      const frame = newFrame(cellClass)
      bodyOf(frame).set(application)
      if (cell.from === 'client') {
        sealLayers(cell.phase === 'early' ? early : full, frame, cellClass, type)
        let body = bodyOf(frame)
        for (const [i, hop] of ours.hops.entries()) {
          expectBody(body, cell.bodies[i]!)
          const next = newFrame(cellClass)
          expect(hop.openForward(type, cellClass, body, next, 8)).toBe(true)
          body = bodyOf(next)
        }
        expect(toHex(body.subarray(0, application.length)) === cell.application).toBe(true)
        continue
      }
      const [exit, ...relays] = ours.hops.toReversed()
      exit!.sealInPlace(frame, cellClass)
      let body: Uint8Array = bodyOf(frame)
      body.fill(0, exit!.deeperBytes(cellClass) + 16)
      expectBody(body, cell.bodies[0]!)
      for (const [i, hop] of relays.entries()) {
        body = bodyOf(hop.sealBackward(body, cellClass))
        expectBody(body, cell.bodies[i + 1]!)
      }
      for (const opener of openers) {
        const plain = new Uint8Array(bodyBytesOf(cellClass))
        expect(opener.open(body, 0, plain, 0, cellClass, type)).toBe(true)
        body = plain
      }
      expect(toHex(body.subarray(0, application.length)) === cell.application).toBe(true)
    }
  })
})

describe('our layers', () => {
  const DIRECTION = { 1: 'forward', 2: 'backward' } as const
  const PHASE = { 1: 'early', 2: 'full' } as const

  function placeOf({ direction, phase, place }: { direction: number; phase: number; place: number }) {
    return { direction: DIRECTION[direction as 1 | 2], phase: PHASE[phase as 1 | 2], place }
  }

  test.each(readVectors('layers').layers)('$name', (vector) => {
    const secrets = () => ({ key: hex(vector.key), ratchet: EMPTY })
    const [cellClass, type] = [vector.class as CellClass, vector.type as CellType]
    const [sealer, opener] = [new LayerSealer(placeOf(vector), secrets()), new LayerOpener(placeOf(vector), secrets())]
    for (const cell of vector.cells) {
      const frame = newFrame(cellClass)
      sealer.seal(hex(cell.plain), 0, frame, cellClass, type)
      expect(toHex(bodyOf(frame).subarray(0, cell.sealed.length / 2))).toBe(cell.sealed)
      const plain = new Uint8Array(cell.plain.length / 2)
      expect(opener.open(hex(cell.sealed), 0, plain, 0, cellClass, type)).toBe(true)
      expect(toHex(plain)).toBe(cell.plain)
      for (const make of [createAead, portable]) expectAead(make, { key: vector.key, ...cell })
    }
  })

  test('get their next key behind the 65,536th cell', () => {
    const { keys, cells, ...where } = readVectors('layers').ratchet
    const first = () => ({ key: hex(keys[0]!.key), ratchet: hex(keys[0]!.ratchet) })
    const [cellClass, type] = [where.class as CellClass, where.type as CellType]
    const [sealer, opener] = [new LayerSealer(placeOf(where), first()), new LayerOpener(placeOf(where), first())]
    const [tiny, sealed, plain] = [Uint8Array.of(1), new Uint8Array(504), new Uint8Array(488)]
    let counter = 0
    for (const cell of cells) {
      for (; counter < cell.counter; counter++) {
        sealer.sealBytes(tiny, 0, 1, sealed, 0, cellClass, type)
        if (!opener.openBytes(sealed, 0, 17, plain, 0, cellClass, type)) throw new Error(`cell ${counter}`)
      }
      sealer.sealBytes(hex(cell.plain), 0, 488, sealed, 0, cellClass, type)
      expect(toHex(sealed)).toBe(cell.sealed)
      expect(opener.openBytes(sealed, 0, 504, plain, 0, cellClass, type)).toBe(true)
      expect(toHex(plain)).toBe(cell.plain)
      counter++
      for (const make of [createAead, portable]) expectAead(make, { key: keys[cell.keyNumber]!.key, ...cell })
    }
  })
})

type LayerCell = VectorsOf<'layers'>['layers'][number]['cells'][number]
type MakeAead = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => Aead
const portable: MakeAead = (key, nonce, aad) => new PortableAead(key, nonce, aad)

/** By the addon (where it is built) and by node:crypto. */
function expectAead(make: MakeAead, { key, nonce, aad, plain, sealed }: LayerCell & { key: string }): void {
  const aead = make(hex(key), hex(nonce), hex(aad))
  const [into, back] = [new Uint8Array(sealed.length / 2), new Uint8Array(plain.length / 2)]
  aead.seal(hex(plain), 0, back.length, into, 0)
  expect(toHex(into)).toBe(sealed)
  expect(aead.open(into, 0, into.length, back, 0)).toBe(true)
  expect(toHex(back)).toBe(plain)
}

/** The same object with hexadecimal digits for bytes. */
function written(value: object): unknown {
  const entries = Object.entries(value).map(([name, one]) => [
    name,
    one instanceof Uint8Array ? toHex(one) : written(one),
  ])
  return Object.fromEntries(entries)
}
