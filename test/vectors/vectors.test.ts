import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { hex } from '../support/hex.ts'
import { noble, nobleHash, nobleHkdf, nobleOpen } from '../support/noble-primitives.ts'
import { readVectors, VECTOR_FILES, VECTOR_FOLDER, type VectorFile, vectorText } from './vector-files.ts'

const names = Object.keys(VECTOR_FILES) as VectorFile[]

describe('the second implementation', () => {
  test.each(names)('makes exactly the vectors of %s.json', (name) => {
    const held = readFileSync(new URL(`${name}.json`, VECTOR_FOLDER), 'utf8')
    expect(held === vectorText(name)).toBe(true)
  })

  test('makes no other files', () => {
    const files = readdirSync(VECTOR_FOLDER).filter((file) => file.endsWith('.json'))
    expect(files.toSorted()).toEqual(names.map((name) => `${name}.json`).toSorted())
  })

  test('agrees on keys and secrets from the side of the hub too', () => {
    const hubs = readVectors('keys').hubs
    for (const one of readVectors('handshake').cases) {
      const hub = hubs.find(({ name }) => name === one.hub)!
      expect(noble.x25519.getSharedSecret(hex(hub.b), hex(one.X))).toEqual(hex(one.xB))
      expect(noble.x25519.getSharedSecret(hex(one.y), hex(one.X))).toEqual(hex(one.xY))
      expect(noble.mlKem.decapsulate(hex(one.ct), hex(hub.kemPrivate))).toEqual(hex(one.ss))
      expect(nobleHash(hex(one.transcriptInput))).toEqual(hex(one.transcript))
      for (const { secret, salt, info, out } of [one.early, one.full]) {
        expect(nobleHkdf(hex(secret), hex(salt), hex(info), out.length / 2)).toEqual(hex(out))
      }
    }
  })

  test('opens what it sealed, layer by layer', () => {
    const { layers, ratchet } = readVectors('layers')
    const cells = [
      ...layers.flatMap(({ key, cells }) => cells.map((cell) => ({ key, ...cell }))),
      ...ratchet.cells.map((cell) => ({ key: ratchet.keys[cell.keyNumber]!.key, ...cell })),
    ]
    for (const { key, nonce, aad, plain, sealed } of cells) {
      expect(nobleOpen(hex(key), hex(nonce), hex(aad), hex(sealed))).toEqual(hex(plain))
    }
    expect(cells).toHaveLength(19)
  })

  test('has vectors for every class, both directions, every hop count and a failure at every place', () => {
    const creates = readVectors('create').circuits
    expect(new Set(creates.map(({ hops }) => hops.length))).toEqual(new Set([1, 2, 3, 4]))
    const cells = readVectors('cells').circuits.flatMap((circuit) => circuit.cells)
    const kinds = new Set(cells.map(({ from, class: cellClass }) => `${from} ${cellClass}`))
    expect(kinds.size).toBe(8)
    expect(new Set(readVectors('answer').answers.map(({ failedAt }) => failedAt)).size).toBe(5)
  })
})
