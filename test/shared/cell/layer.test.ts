import { describe, expect, test } from '@jest/globals'
import { EMPTY } from '../../../shared/base/bytes.ts'
import {
  bodyBytesOf,
  bodyOf,
  CELL_TYPES,
  type CellClass,
  capacityOf,
  FRAME_HEADER_BYTES,
  newFrame,
} from '../../../shared/cell/cell.ts'
import { createClass, openCreate, readOffer } from '../../../shared/cell/create.ts'
import {
  type Direction,
  LayerOpener,
  type LayerPlace,
  LayerSealer,
  MAX_EARLY_CELLS,
  RATCHET_CELLS,
} from '../../../shared/cell/layer.ts'
import { HubHop } from '../../../shared/circuit/hub-hop.ts'
import { CircuitKeyPair } from '../../../shared/crypto/circuit-key.ts'
import { type DirectionSecrets, receive } from '../../../shared/crypto/handshake.ts'
import { flipBit } from '../../support/hex.ts'
import { openLayer, openLayerBytes, sealLayerBytes, sealLayers } from '../../support/layers.ts'
import { FORWARD, NobleLayer, nobleForwarded, PHASE, TYPE } from '../../support/noble-cells.ts'
import { NobleClient } from '../../support/noble-client.ts'
import { noblePublicKey } from '../../support/noble-handshake.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('layers')
const CLASSES: readonly CellClass[] = [1, 2, 3, 4]
const PLACES = [1, 2, 3]
const secrets = PLACES.map(() => ({ key: random.bytes(32), ratchet: random.bytes(32) }))

/** Every layer wipes what it was given, so each gets a copy. */
const copy = ({ key, ratchet }: DirectionSecrets): DirectionSecrets => ({ key: key.slice(), ratchet: ratchet.slice() })
const where = (place: number, direction: Direction = 'forward'): LayerPlace => ({ direction, phase: 'full', place })
const sealers = (direction: Direction): LayerSealer[] =>
  PLACES.map((place) => new LayerSealer(where(place, direction), copy(secrets[place - 1]!)))
const openers = (direction: Direction): LayerOpener[] =>
  PLACES.map((place) => new LayerOpener(where(place, direction), copy(secrets[place - 1]!)))
const twins = (direction: number): NobleLayer[] =>
  secrets.map(({ key, ratchet }, i) => new NobleLayer({ direction, phase: PHASE.full, place: i + 1 }, key, ratchet))

/** The client's way: plaintext at the start of the body, the exit's layer first, in place. */
function sealForward(layers: readonly LayerSealer[], application: Uint8Array, cellClass: CellClass): Uint8Array {
  const frame = newFrame(cellClass)
  const body = bodyOf(frame)
  body.set(application)
  sealLayers(layers, frame, cellClass, CELL_TYPES.cell)
  return body
}

describe('the layers of a path of three hops', () => {
  test.each(CLASSES)(
    'of class %i: what our client puts on forward, hubs of the second implementation take off',
    (cellClass) => {
      const [client, hubs] = [sealers('forward'), twins(FORWARD)]
      for (let cell = 0; cell < 3; cell++) {
        const application = random.bytes(capacityOf(cellClass))
        let body = sealForward(client, application, cellClass)
        for (const [i, hub] of hubs.entries()) {
          const deeper = hub.open(body.subarray(0, body.length - 16 * i), cellClass, TYPE.cell)!
          expect(deeper).toHaveLength(bodyBytesOf(cellClass) - 16 * (i + 1))
          body = nobleForwarded(deeper, cellClass)
        }
        expect(body.subarray(0, application.length)).toEqual(application)
        expect(body.subarray(application.length)).toEqual(new Uint8Array(64))
      }
    },
  )

  test.each(CLASSES)('of class %i: every byte is the same as from the second implementation', (cellClass) => {
    const [client, twin] = [sealers('forward'), twins(FORWARD)]
    for (let cell = 0; cell < 3; cell++) {
      const application = random.bytes(capacityOf(cellClass))
      let layer: Uint8Array = new Uint8Array(bodyBytesOf(cellClass) - 48)
      layer.set(application)
      for (const one of twin.toReversed()) layer = one.seal(layer, cellClass, TYPE.cell)
      expect(sealForward(client, application, cellClass)).toEqual(layer)
    }
  })

  test.each(CLASSES)(
    'of class %i: our hubs take off what the client put on, and never look at the tail',
    (cellClass) => {
      const [client, hubs] = [sealers('forward'), openers('forward')]
      for (let cell = 0; cell < 3; cell++) {
        const application = random.bytes(capacityOf(cellClass))
        let body = sealForward(client, application, cellClass)
        for (const hub of hubs) {
          const deeper = openLayer(hub, body, cellClass, CELL_TYPES.cell)!
          body = random.bytes(bodyBytesOf(cellClass)) // whatever an evil neighbour puts behind
          body.set(deeper)
        }
        expect(body.subarray(0, application.length)).toEqual(application)
      }
    },
  )

  test.each(CLASSES)(
    'of class %i: backward each hub covers what is before its tail, and the client opens all',
    (cellClass) => {
      const [hubs, client] = [sealers('backward'), openers('backward')]
      const plain = random.bytes(bodyBytesOf(cellClass) - 48)
      const frame = newFrame(cellClass)
      let deeper: Uint8Array = plain
      for (const [i, hub] of [...hubs.entries()].toReversed()) {
        const place = i + 1
        expect(hub.deeperBytes(cellClass)).toBe(bodyBytesOf(cellClass) - 16 * place)
        hub.seal(deeper, 0, frame, cellClass, CELL_TYPES.cell)
        expect(bodyOf(frame).subarray(bodyBytesOf(cellClass) - 16 * (place - 1))).toEqual(
          new Uint8Array(16 * (place - 1)),
        )
        deeper = bodyOf(frame)
      }
      let layer: Uint8Array = bodyOf(frame)
      for (const opener of client) layer = openLayerBytes(opener, layer, cellClass, CELL_TYPES.cell)!
      expect(layer).toEqual(plain)
    },
  )
})

describe('a layer opens', () => {
  const PLACE = 2
  const BODY = bodyBytesOf(1)
  const MINE = BODY - 16

  function sealedCells(count: number): Uint8Array[] {
    const sealer = new LayerSealer(where(PLACE), copy(secrets[1]!))
    return Array.from({ length: count }, () => {
      const frame = newFrame(1)
      sealLayerBytes(sealer, frame, random.bytes(MINE - 16), 1, CELL_TYPES.cell)
      return bodyOf(frame)
    })
  }
  const opener = (at: LayerPlace = where(PLACE), of = copy(secrets[1]!)): LayerOpener => new LayerOpener(at, of)
  const [first, second, third] = sealedCells(3) as [Uint8Array, Uint8Array, Uint8Array]

  test('nothing of which any bit was changed that it covers: ciphertext and tag', () => {
    const layer = opener()
    for (let bit = 0; bit < MINE * 8; bit++) {
      expect([bit, openLayer(layer, flipBit(first, bit), 1, CELL_TYPES.cell)]).toEqual([bit, undefined])
    }
    expect(layer.count).toBe(0)
    expect(openLayer(layer, first, 1, CELL_TYPES.cell)).toBeDefined()
  })

  test('the same whatever stands in the tail, which is not its own', () => {
    const right = openLayer(opener(), first, 1, CELL_TYPES.cell)!
    expect(right).toHaveLength(MINE - 16)
    for (let bit = MINE * 8; bit < BODY * 8; bit++) {
      expect(openLayer(opener(), flipBit(first, bit), 1, CELL_TYPES.cell)).toEqual(right)
    }
  })

  const wrong: [string, () => Uint8Array | undefined][] = [
    ['as another type', () => openLayer(opener(), first, 1, CELL_TYPES.switch)],
    [
      'at a place nearer to the client',
      () => openLayerBytes(opener(where(1)), first.subarray(0, MINE), 1, CELL_TYPES.cell),
    ],
    ['at a place farther away', () => openLayerBytes(opener(where(3)), first.subarray(0, MINE), 1, CELL_TYPES.cell)],
    ['in the other direction', () => openLayer(opener(where(PLACE, 'backward')), first, 1, CELL_TYPES.cell)],
    ['in the early phase', () => openLayer(opener({ ...where(PLACE), phase: 'early' }), first, 1, CELL_TYPES.cell)],
    [
      'in the phase of a CREATE',
      () => openLayer(opener({ ...where(PLACE), phase: 'create' }), first, 1, CELL_TYPES.cell),
    ],
    ['as another class', () => openLayerBytes(opener(), first.subarray(0, MINE), 2, CELL_TYPES.cell)],
    [
      'with the key of another hop',
      () => openLayer(opener(where(PLACE), copy(secrets[2]!)), first, 1, CELL_TYPES.cell),
    ],
    ['before the one ahead of it', () => openLayer(opener(), second, 1, CELL_TYPES.cell)],
    ['cut by a byte', () => openLayerBytes(opener(), first.subarray(0, MINE - 1), 1, CELL_TYPES.cell)],
    ['with a byte more', () => openLayerBytes(opener(), first.subarray(0, MINE + 1), 1, CELL_TYPES.cell)],
    ['empty', () => openLayerBytes(opener(), EMPTY, 1, CELL_TYPES.cell)],
  ]
  test.each(wrong)('no cell %s', (_, open) => {
    expect(openLayer(opener(), first, 1, CELL_TYPES.cell)).toBeDefined()
    expect(open()).toBeUndefined()
  })

  test('cells once, in order, without a gap', () => {
    const layer = opener()
    expect(openLayer(layer, first, 1, CELL_TYPES.cell)).toBeDefined()
    expect(openLayer(layer, first, 1, CELL_TYPES.cell)).toBeUndefined()
    expect(openLayer(layer, third, 1, CELL_TYPES.cell)).toBeUndefined()
    expect(openLayer(layer, second, 1, CELL_TYPES.cell)).toBeDefined()
    expect(openLayer(layer, third, 1, CELL_TYPES.cell)).toBeDefined()
    expect(layer.count).toBe(3)
  })

  test('and seals nothing any more once it was closed, and its ratchet is zeros', () => {
    const mine = copy(secrets[0]!)
    const layer = opener(where(1), mine)
    layer.close()
    expect(() => openLayer(layer, first, 1, CELL_TYPES.cell)).toThrow('closed')
    expect(mine.ratchet).toEqual(new Uint8Array(32))
    const sealer = new LayerSealer(where(1), copy(secrets[0]!))
    sealer.close()
    expect(() => sealLayerBytes(sealer, newFrame(1), new Uint8Array(8), 1, CELL_TYPES.cell)).toThrow('closed')
  })
})

describe('the ratchet', () => {
  const sealSmall = (sealer: LayerSealer, plain: Uint8Array): Uint8Array => {
    const frame = new Uint8Array(FRAME_HEADER_BYTES + plain.length + 16)
    sealLayerBytes(sealer, frame, plain, 1, CELL_TYPES.cell)
    return bodyOf(frame)
  }

  test('turns after 65,536 cells, and again, where the second implementation turns it', () => {
    const sealer = new LayerSealer(where(1), copy(secrets[0]!))
    const opener = new LayerOpener(where(1), copy(secrets[0]!))
    const twin = twins(FORWARD)[0]!
    const plain = Uint8Array.of(1, 2, 3)
    for (let cell = 0; cell <= 2 * RATCHET_CELLS + 1; cell++) {
      const sealed = sealSmall(sealer, plain)
      const near = Math.min(cell % RATCHET_CELLS, RATCHET_CELLS - (cell % RATCHET_CELLS)) <= 2
      if (near) {
        twin.skipTo(cell)
        expect([cell, sealed]).toEqual([cell, twin.seal(plain, 1, TYPE.cell)])
      }
      if (openLayerBytes(opener, sealed, 1, CELL_TYPES.cell) === undefined)
        throw new Error(`cell ${cell} does not open`)
    }
    expect(opener.count).toBe(2 * RATCHET_CELLS + 2)
  })

  test('does not exist for early keys: they end, they are not used beyond it', () => {
    const sealer = new LayerSealer(
      { direction: 'forward', phase: 'early', place: 1 },
      { key: random.bytes(32), ratchet: EMPTY },
    )
    for (let cell = 0; cell < RATCHET_CELLS - 1; cell++) sealSmall(sealer, EMPTY)
    expect(() => sealSmall(sealer, EMPTY)).toThrow(RangeError)
  })
})

describe('early cells', () => {
  test(`are taken up to ${MAX_EARLY_CELLS}, and not one more`, () => {
    const pair = CircuitKeyPair.generate()
    const [networkId, hubId, clientKey, binding] = Array.from({ length: 4 }, () => random.bytes(32)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const path = [{ hubId, key: noblePublicKey(pair.publicBytes) }]
    const client = new NobleClient({
      ...{ networkId, clientKey, binding, path, granule: 1, open: undefined },
      random: (length) => random.bytes(length),
    })
    const context = { networkId, hubId, previousId: clientKey, linkBinding: binding }
    const received = receive(context, pair, readOffer(client.create))!
    const hop = new HubHop(openCreate(client.create, createClass(1), false, received)!, received)
    const plain = new Uint8Array(hop.deeperBytes(1))
    for (let cell = 0; cell < MAX_EARLY_CELLS; cell++) {
      const body = client.seal(Uint8Array.of(6, 0, 0), 1, TYPE.cell)
      if (!hop.openForward(CELL_TYPES.cell, 1, body, plain, 0)) throw new Error(`cell ${cell} does not open`)
    }
    expect(hop.openForward(CELL_TYPES.cell, 1, client.seal(EMPTY, 1, TYPE.cell), plain, 0)).toBe(false)
  })
})
