import { jest } from '@jest/globals'
import { ByteReader } from '../../shared/base/byte-reader.ts'
import { readAnswer } from '../../shared/cell/answer.ts'
import { bodyOf, type CellClass } from '../../shared/cell/cell.ts'
import { buildCreate, innerCreate, type OpenedCreate, openCreate, readOffer } from '../../shared/cell/create.ts'
import { decodeOpen } from '../../shared/cell/purpose.ts'
import { HubHop } from '../../shared/circuit/hub-hop.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { type HopContext, type Initiated, receive } from '../../shared/crypto/handshake.ts'
import { MlKemPublicKey } from '../../shared/crypto/ml-kem.ts'
import { X25519PrivateKey } from '../../shared/crypto/x25519.ts'
import { hex } from '../support/hex.ts'
import { join, noble } from '../support/noble-primitives.ts'
import { readVectors, type VectorsOf } from './vector-files.ts'

type CreateVector = VectorsOf<'create'>['circuits'][number]

export interface Chance {
  /** X25519 private keys in the order in which they are taken. */
  readonly x25519?: readonly Uint8Array[]
  /** The same for what ML-KEM encapsulates. */
  readonly encapsulated?: readonly { readonly ciphertext: Uint8Array; readonly secret: Uint8Array }[]
}

/** Runs our code with these in place of chance, all of which must be taken. */
export function withChance<T>({ x25519 = [], encapsulated = [] }: Chance, run: () => T): T {
  const keys = [...x25519]
  const secrets = [...encapsulated]
  const generate = jest.spyOn(X25519PrivateKey, 'generate')
  const encapsulate = jest.spyOn(MlKemPublicKey.prototype, 'encapsulate')
  generate.mockImplementation(() => X25519PrivateKey.fromBytes(keys.shift() as Uint8Array))
  encapsulate.mockImplementation(() => secrets.shift() as { ciphertext: Uint8Array; secret: Uint8Array })
  try {
    const result = run()
    if (keys.length + secrets.length > 0) throw new Error('not all chance was taken')
    return result
  } finally {
    generate.mockRestore()
    encapsulate.mockRestore()
  }
}

/** The circuit key pair of a hub of the vectors. */
export function pairOf(name: string): CircuitKeyPair {
  const hub = readVectors('keys').hubs.find((one) => one.name === name)!
  return CircuitKeyPair.fromBytes(join(hex(hub.b), hex(hub.kemSeed)))
}

/** Our implementation at work on a circuit of create.json, both ends of it. */
export class OurCircuit {
  readonly vector: CreateVector
  /** The body of the CREATE that our client makes. */
  readonly create: Uint8Array
  readonly initiated: readonly Initiated[]
  /** The bodies that our hubs get, one after the other. */
  readonly received: readonly Uint8Array[]
  readonly opened: readonly OpenedCreate[]
  readonly hops: readonly HubHop[]

  constructor(name: string) {
    this.vector = readVectors('create').circuits.find((one) => one.name === name)!
    const { hops, granule, open } = this.vector
    const made = hops.map((hop) => {
      const { cipherText: ciphertext, sharedSecret: secret } = noble.mlKem.encapsulate(
        pairOf(hop.hub).publicBytes.subarray(32),
        hex(hop.m),
      )
      return { x: hex(hop.x), encapsulated: { ciphertext, secret } }
    })
    const innermostFirst = made.toReversed()
    const target = open === '' ? undefined : decodeOpen(new ByteReader(hex(open)))
    const path = hops.map((hop, i) => ({
      context: this.#context(i),
      key: new CircuitPublicKey(pairOf(hop.hub).publicBytes),
    }))
    const { frame, initiated } = withChance(
      { x25519: innermostFirst.map(({ x }) => x), encapsulated: innermostFirst.map((one) => one.encapsulated) },
      () => buildCreate(path, granule, target),
    )
    this.create = bodyOf(frame)
    this.initiated = initiated

    const received: Uint8Array[] = []
    const opened: OpenedCreate[] = []
    this.hops = hops.map((hop, i) => {
      const before = opened.at(-1)?.routing
      const body = before?.role === 'relay' ? bodyOf(innerCreate(before.inner, this.cellClass)) : this.create
      received.push(body)
      const secrets = receive(this.#context(i), pairOf(hop.hub), readOffer(body))!
      const one = openCreate(body, this.cellClass, i > 0, secrets)
      if (one === undefined) throw new Error(`our CREATE does not open at place ${hop.place}`)
      opened.push(one)
      return new HubHop(one, secrets)
    })
    this.received = received
    this.opened = opened
  }

  get cellClass(): CellClass {
    return this.vector.class as CellClass
  }

  /** The bodies of the ANSWERs of our hubs, from the last that is asked to the home hub. */
  answers(failed?: { readonly place: number; readonly status: number }): Uint8Array[] {
    const asked = this.hops.slice(0, failed?.place).toReversed()
    const bodies: Uint8Array[] = []
    for (const hop of asked) {
      const y = hex(this.vector.hops[hop.place - 1]!.y)
      const status = hop.place === failed?.place ? failed.status : 0
      bodies.push(bodyOf(withChance({ x25519: [y] }, () => hop.answer(status, bodies.at(-1)))))
    }
    return bodies
  }

  read(answer: Uint8Array): ReturnType<typeof readAnswer> {
    return readAnswer(answer, this.initiated)
  }

  #context(index: number): HopContext {
    const { networkId, hops } = this.vector
    const { hubId, idBefore, linkBinding } = hops[index]!
    return {
      networkId: hex(networkId),
      hubId: hex(hubId),
      previousId: hex(idBefore),
      linkBinding: hex(linkBinding),
    }
  }
}
