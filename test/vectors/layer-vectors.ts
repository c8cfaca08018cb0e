import {
  BACKWARD,
  FORWARD,
  NOBLE_BODY_BYTES,
  NobleLayer,
  nobleAad,
  nobleNonce,
  PHASE,
  TYPE,
} from '../support/noble-cells.ts'
import { label, nobleHkdf } from '../support/noble-primitives.ts'
import { chance } from './vector-circuits.ts'

const LAYERS = [
  { name: 'early, place 1', direction: FORWARD, phase: PHASE.early, place: 1, type: TYPE.cell, class: 1 },
  { name: 'early, place 3', direction: FORWARD, phase: PHASE.early, place: 3, type: TYPE.cell, class: 1 },
  { name: 'forward, SWITCH', direction: FORWARD, phase: PHASE.full, place: 1, type: TYPE.switch, class: 1 },
  { name: 'forward, place 2', direction: FORWARD, phase: PHASE.full, place: 2, type: TYPE.cell, class: 2 },
  { name: 'forward, place 4', direction: FORWARD, phase: PHASE.full, place: 4, type: TYPE.cell, class: 3 },
  { name: 'backward, place 1', direction: BACKWARD, phase: PHASE.full, place: 1, type: TYPE.cell, class: 1 },
  { name: 'backward, place 4', direction: BACKWARD, phase: PHASE.full, place: 4, type: TYPE.cell, class: 2 },
]

const CELLS_OF_A_LAYER = 2
const RATCHET_COUNTERS = [0, 65_535, 65_536, 131_071, 131_072]

export function layerVectors() {
  return {
    about:
      'One layer by itself (SPEC 5.1, 5.2, 5.4). plain: the L - 16·place bytes below the layer; sealed: ciphertext and tag. ' +
      'ratchet: one forward layer across two changes of its key, the first behind counter 65535. keys: key and ratchet in ' +
      'the order in which they are used.',
    layers: LAYERS.map(({ name, direction, phase, place, type, class: cellClass }) => {
      const [key, ratchet] = [chance(`key, ${name}`), chance(`ratchet, ${name}`)]
      const layer = new NobleLayer({ direction, phase, place }, key, ratchet)
      const cells = Array.from({ length: CELLS_OF_A_LAYER }, (_, counter) => {
        const plain = chance(`plain ${counter}, ${name}`, (NOBLE_BODY_BYTES[cellClass] as number) - 16 * place)
        const aad = nobleAad({ direction, phase, cellClass, type, place, counter })
        return { counter, nonce: nobleNonce(counter), aad, plain, sealed: layer.seal(plain, cellClass, type) }
      })
      return { name, direction, phase, place, type, class: cellClass, key, cells }
    }),
    ratchet: ratchetVector(),
  }
}

function ratchetVector() {
  const facts = { direction: FORWARD, phase: PHASE.full, place: 1 }
  const first = { key: chance('key of the ratchet'), ratchet: chance('ratchet of the ratchet') }
  const layer = new NobleLayer(facts, first.key, first.ratchet)
  const keys = [first]
  for (let i = 0; i < 2; i++) {
    const out = nobleHkdf((keys.at(-1) as typeof first).ratchet, new Uint8Array(0), label('spn/1 ratchet'), 64)
    keys.push({ key: out.slice(0, 32), ratchet: out.slice(32) })
  }
  const cells = RATCHET_COUNTERS.map((counter) => {
    layer.skipTo(counter)
    const plain = chance(`plain ${counter} of the ratchet`, 488)
    const aad = nobleAad({ ...facts, cellClass: 1, type: TYPE.cell, counter })
    const sealed = layer.seal(plain, 1, TYPE.cell)
    return { counter, keyNumber: Math.floor(counter / 65_536), nonce: nobleNonce(counter), aad, plain, sealed }
  })
  return { ...facts, type: TYPE.cell, class: 1, keys, cells }
}
