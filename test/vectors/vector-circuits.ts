import { NobleClient, nobleNameTarget, nobleOpenPayload } from '../support/noble-client.ts'
import { type NobleContext, type NobleKeyPair, nobleKeyPair } from '../support/noble-handshake.ts'
import { NobleHub } from '../support/noble-hub.ts'
import { ascii, join, noble, nobleHash, u16, u32 } from '../support/noble-primitives.ts'

/** The "random" bytes of the vectors: the same for the same name. What they are stands in the files. */
export function chance(name: string, length = 32): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    nobleHash(ascii(`spn vectors: ${name}`), u32(i)),
  )
  return join(...blocks).slice(0, length)
}

/** Bytes that count up, for data of which only the place matters. */
export function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251)
}

export const VECTOR_NETWORK_ID = chance('network id')
const CLIENT_KEY = noble.ed25519.getPublicKey(chance('client key on its link'))
const LINK_BINDING = chance('exporter value of the link')
/** 2026-01-01 00:00:00 UTC. */
export const VECTOR_TIME_S = 1_767_225_600
const GRANULE = VECTOR_TIME_S / 60

export interface VectorHub {
  readonly name: string
  readonly identitySeed: Uint8Array
  readonly hubId: Uint8Array
  readonly b: Uint8Array
  readonly kemSeed: Uint8Array
  readonly pair: NobleKeyPair
}

export const VECTOR_HUBS: readonly VectorHub[] = ['a', 'b', 'c', 'd'].map((name) => {
  const identitySeed = chance(`identity of hub ${name}`)
  const b = chance(`X25519 key of hub ${name}`)
  const kemSeed = chance(`ML-KEM seed of hub ${name}`, 64)
  const hubId = noble.ed25519.getPublicKey(identitySeed)
  return { name, identitySeed, hubId, b, kemSeed, pair: nobleKeyPair(b, kemSeed) }
})

/** One hop: what is chosen at random by both ends. */
export interface VectorHop {
  readonly place: number
  readonly role: 1 | 2
  readonly hub: VectorHub
  readonly x: Uint8Array
  readonly m: Uint8Array
  readonly y: Uint8Array
  readonly context: NobleContext
}

/** A circuit with both ends at work: the CREATE was sent and opened by every hub. */
export interface VectorCircuit {
  readonly name: string
  readonly granule: number
  readonly open: Uint8Array | undefined
  readonly hops: readonly VectorHop[]
  readonly client: NobleClient
  /** The body of the CREATE as each hub gets it. */
  readonly creates: readonly Uint8Array[]
  readonly hubs: readonly NobleHub[]
}

const IPV4 = nobleOpenPayload(join([1], [93, 184, 216, 34], u16(443)))
const IPV6 = nobleOpenPayload(join([2, 0x20, 0x01, 0x48, 0x60, 0x48, 0x60], new Uint8Array(8), [0x88, 0x88], u16(853)))
const NAME = nobleOpenPayload(nobleNameTarget('www.example.com', 80))

const CIRCUITS = [
  { name: 'three hops', length: 3, open: IPV4 },
  { name: 'four hops', length: 4, open: NAME },
  { name: 'one hop', length: 1, open: IPV6 },
  { name: 'two hops', length: 2, open: NAME },
  { name: 'three hops, target after the answer', length: 3, open: undefined },
]

export const VECTOR_CIRCUIT_NAMES = CIRCUITS.map(({ name }) => name)

/** Begins a circuit anew: counters stand at 0. */
export function vectorCircuit(name: string): VectorCircuit {
  const circuit = CIRCUITS.find((one) => one.name === name)
  if (circuit === undefined) throw new Error(`no circuit ${name}`)
  const { length, open } = circuit
  const hops = VECTOR_HUBS.slice(0, length).map((hub, i): VectorHop => {
    const [place, of] = [i + 1, `of place ${i + 1}, ${name}`]
    const before = i === 0 ? CLIENT_KEY : (VECTOR_HUBS[i - 1] as VectorHub).hubId
    return {
      place,
      role: place === length ? 2 : 1,
      hub,
      ...{ x: chance(`x ${of}`), m: chance(`m ${of}`), y: chance(`y ${of}`) },
      context: {
        networkId: VECTOR_NETWORK_ID,
        hubId: hub.hubId,
        idBefore: before,
        binding: i === 0 ? LINK_BINDING : new Uint8Array(32),
      },
    }
  })
  const taken = hops.flatMap(({ x, m }) => [x, m])
  const client = new NobleClient({
    networkId: VECTOR_NETWORK_ID,
    clientKey: CLIENT_KEY,
    binding: LINK_BINDING,
    path: hops.map(({ hub }) => ({ hubId: hub.hubId, key: hub.pair })),
    granule: GRANULE,
    open,
    random: () => taken.shift() as Uint8Array,
  })
  const creates: Uint8Array[] = []
  const hubs: NobleHub[] = []
  let body: Uint8Array = client.create
  for (const { place, hub, context, y } of hops) {
    creates.push(body)
    const accepted = NobleHub.accept(body, client.cellClass, place === 1 ? 'client' : 'hub', context, hub.pair, y)
    if (accepted?.place !== place) throw new Error(`the CREATE does not open at place ${place}`)
    hubs.push(accepted)
    const next = new Uint8Array(body.length)
    if (place < length) next.set(accepted.inner)
    body = next
  }
  return { name, granule: GRANULE, open, hops, client, creates, hubs }
}

/** The bodies of the ANSWER as the hubs send them, from the last one that is asked to the home hub. */
export function vectorAnswers(circuit: VectorCircuit, failed?: { place: number; status: number }): Uint8Array[] {
  const asked = circuit.hubs.slice(0, failed?.place)
  const bodies: Uint8Array[] = []
  for (const hub of asked.toReversed()) {
    bodies.push(hub.answer(hub.place === failed?.place ? failed.status : 0, bodies.at(-1)))
  }
  return bodies
}
