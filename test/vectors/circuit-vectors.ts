import { NOBLE_BODY_BYTES, TYPE } from '../support/noble-cells.ts'
import { nobleFin, nobleMessage } from '../support/noble-client.ts'
import { ascii, join, nobleHash } from '../support/noble-primitives.ts'
import {
  chance,
  counting,
  VECTOR_CIRCUIT_NAMES,
  type VectorCircuit,
  type VectorHop,
  vectorAnswers,
  vectorCircuit,
} from './vector-circuits.ts'

/** Large bodies after the first stand as their hash: who has the first can make them. */
const MAX_WRITTEN_BYTES = 4088

function body(bytes: Uint8Array, isFirst = false) {
  const hash = { bytes: bytes.length, sha256: nobleHash(bytes) }
  return isFirst || bytes.length <= MAX_WRITTEN_BYTES ? { ...hash, body: bytes } : hash
}

const hopFacts = ({ place, role, hub, x, m, y, context }: VectorHop) => ({
  place,
  role,
  hub: hub.name,
  hubId: hub.hubId,
  idBefore: context.idBefore,
  linkBinding: context.binding,
  x,
  m,
  y,
})

export function createVectors() {
  return {
    about:
      'CREATE cells (SPEC 7.1), bodies without the frame header. Hubs are those of keys.json; per hop x, m and y as in ' +
      'handshake.json. open: kind and target as in an OPEN, empty if the target comes after the answer. received: the ' +
      'body as the hub at this place gets it (for the large class only its SHA-256, except at place 1); sealed: bytes of ' +
      'it that are sealed, behind the 1124 of the offer; routing: the beginning of what the seal holds (time and next hub, ' +
      'or time and open), of plainBytes in all.',
    circuits: VECTOR_CIRCUIT_NAMES.map((name) => {
      const circuit = vectorCircuit(name)
      const { granule, open, hops, client, creates, hubs } = circuit
      return {
        name,
        networkId: (hops[0] as VectorHop).context.networkId,
        class: client.cellClass,
        granule,
        open: open ?? new Uint8Array(0),
        hops: hops.map((hop, i) => {
          const { plain, early, role } = hubs[i] as (typeof hubs)[number]
          const received = creates[i] as Uint8Array
          return {
            ...hopFacts(hop),
            received: body(received, i === 0),
            sealedBytes: received.length - 1176 * i - 1124,
            routing: plain.slice(0, role === 1 ? 36 : 4 + Math.max(1, open?.length ?? 0)),
            plainBytes: plain.length,
            replayTag: early.replayTag,
          }
        }),
      }
    }),
  }
}

export function answerVectors() {
  const cases = [
    ...VECTOR_CIRCUIT_NAMES.map((circuit) => ({ circuit, failed: undefined })),
    { circuit: 'three hops', failed: { place: 1, status: 0x06 } },
    { circuit: 'three hops', failed: { place: 2, status: 0x02 } },
    { circuit: 'three hops', failed: { place: 3, status: 0x03 } },
    { circuit: 'four hops', failed: { place: 4, status: 0x01 } },
  ]
  return {
    about:
      'ANSWER cells (SPEC 7.3) for the circuits of create.json: the bodies, 504 bytes each, as the hubs send them, from the ' +
      'last that is asked (the exit, or the hub that fails) to the home hub. status: the byte of the hub at failedAt, or 0.',
    answers: cases.map(({ circuit, failed }) => {
      const made = vectorCircuit(circuit)
      const bodies = vectorAnswers(made, failed)
      const read = made.client.answer(bodies.at(-1) as Uint8Array)
      const expected = failed === undefined ? { ok: true } : { ok: false, ...failed }
      if (JSON.stringify(read) !== JSON.stringify(expected)) throw new Error('the client reads another answer')
      return {
        name: failed === undefined ? circuit : `${circuit}, failure at place ${failed.place}`,
        circuit,
        failedAt: failed?.place ?? 0,
        status: failed?.status ?? 0,
        sent: bodies.map((bytes, i) => ({ place: bodies.length - i, body: bytes })),
      }
    }),
  }
}

/** One cell of a script: from which side, under which type and class, which messages. */
interface Scripted {
  readonly name: string
  readonly from: 'client' | 'exit'
  readonly type?: 'cell' | 'switch'
  readonly class: number
  readonly messages: readonly Uint8Array[]
}

const data = (bytes: Uint8Array): Uint8Array => nobleMessage(4, bytes)
const TOKEN = chance('token of a ping', 8)

const FULL_CELLS: readonly Scripted[] = [2, 3, 4].flatMap((cellClass) => {
  const messages = [data(counting((NOBLE_BODY_BYTES[cellClass] as number) - 64 - 3))]
  return [
    { name: `a full cell of class ${cellClass}, forward`, from: 'client', class: cellClass, messages },
    { name: `a full cell of class ${cellClass}, backward`, from: 'exit', class: cellClass, messages },
  ]
})
const SWITCH: Scripted = { name: 'SWITCH', from: 'client', type: 'switch', class: 1, messages: [] }
const OPENED: Scripted = { name: 'OPENED, IPv4', from: 'exit', class: 1, messages: [nobleMessage(2, Uint8Array.of(4))] }

const SCRIPTS: readonly { circuit: string; cells: readonly Scripted[] }[] = [
  {
    circuit: 'three hops',
    cells: [
      { name: 'early bytes', from: 'client', class: 1, messages: [data(ascii('early'))] },
      { name: 'more early bytes', from: 'client', class: 2, messages: [data(counting(600))] },
      OPENED,
      SWITCH,
      ...FULL_CELLS,
      {
        name: 'two messages of data and a ping',
        from: 'client',
        class: 1,
        messages: [data(ascii('one')), data(ascii('two')), nobleMessage(7, TOKEN)],
      },
      { name: 'PONG', from: 'exit', class: 1, messages: [nobleMessage(8, TOKEN)] },
      {
        name: 'FIN of the client',
        from: 'client',
        class: 1,
        messages: [nobleFin(5 + 600 + 1973 + 4021 + 16309 + 6)],
      },
      { name: 'FIN of the exit', from: 'exit', class: 1, messages: [nobleFin(1973 + 4021 + 16309)] },
    ],
  },
  {
    circuit: 'three hops, target after the answer',
    cells: [
      SWITCH,
      {
        name: 'OPEN',
        from: 'client',
        class: 1,
        messages: [nobleMessage(1, vectorCircuit('three hops').open as Uint8Array)],
      },
      { name: 'REFUSED', from: 'exit', class: 1, messages: [nobleMessage(3, Uint8Array.of(0x20))] },
    ],
  },
  {
    circuit: 'four hops',
    cells: [
      SWITCH,
      OPENED,
      { name: 'data, forward', from: 'client', class: 1, messages: [data(counting(437))] },
      { name: 'data, backward', from: 'exit', class: 1, messages: [data(counting(437))] },
    ],
  },
  {
    circuit: 'one hop',
    cells: [
      SWITCH,
      { name: 'OPENED, IPv6', from: 'exit', class: 1, messages: [nobleMessage(2, Uint8Array.of(6))] },
      {
        name: 'data and RESET',
        from: 'client',
        class: 1,
        messages: [data(counting(437 - 3)), nobleMessage(6, join())],
      },
    ],
  },
]

export function cellVectors() {
  return {
    about:
      'Cells (SPEC 5) of the circuits of create.json after the successful ANSWER of answer.json, in the order in which ' +
      'they are sealed. application: the messages of the cell; zeros follow up to the end of the innermost plaintext. ' +
      'counter: of this direction and phase. bodies: from the client, the body as each hub gets it; from the exit, the body ' +
      'as each hub sends it (for the large class only the first in full). Zeros stand behind the layer of each place.',
    circuits: SCRIPTS.map(({ circuit, cells }) => {
      const made = vectorCircuit(circuit)
      made.client.answer(vectorAnswers(made).at(-1) as Uint8Array)
      const early = vectorCircuit(circuit).client
      return { circuit, cells: playCells(made, early, cells) }
    }),
  }
}

/** @param early the same client before the answer, which seals under early keys */
function playCells({ client, hubs }: VectorCircuit, early: VectorCircuit['client'], cells: readonly Scripted[]) {
  const counters = { early: 0, full: 0, backward: 1 } // the ANSWER was the first backward
  let switched = false
  return cells.map(({ name, from, type = 'cell', class: cellClass, messages }) => {
    const application = join(...messages)
    const frameType = TYPE[type]
    switched ||= type === 'switch'
    const phase = from === 'exit' || switched ? 'full' : 'early'
    const counter = from === 'exit' ? counters.backward++ : counters[phase]++
    const bodies: Uint8Array[] = []
    if (from === 'client') {
      let at = (switched ? client : early).seal(application, cellClass, frameType)
      for (const hub of hubs) {
        const received = new Uint8Array(NOBLE_BODY_BYTES[cellClass] as number)
        received.set(at)
        bodies.push(received)
        const opened = hub.open(received, cellClass, frameType)
        if (opened === undefined) throw new Error(`${name} does not open at place ${hub.place}`)
        at = opened
      }
    } else {
      let at = new Uint8Array(NOBLE_BODY_BYTES[cellClass] as number)
      at.set(application)
      for (const hub of hubs.toReversed()) {
        at = hub.seal(at, cellClass, frameType, at.length) as typeof at
        bodies.push(at)
      }
      const opened = client.open(at, cellClass, frameType)
      if (opened === undefined) throw new Error(`${name} does not open at the client`)
    }
    return {
      name,
      from,
      type: frameType,
      class: cellClass,
      phase,
      counter,
      application,
      bodies: bodies.map((bytes, i) => ({
        place: from === 'client' ? i + 1 : bodies.length - i,
        ...body(bytes, i === 0),
      })),
    }
  })
}
