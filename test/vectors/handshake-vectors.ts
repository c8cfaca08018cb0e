import { nobleEarly, nobleFull } from '../support/noble-handshake.ts'
import { join, label, noble, nobleHash } from '../support/noble-primitives.ts'
import { VECTOR_HUBS, type VectorHop, vectorCircuit } from './vector-circuits.ts'

export function keyVectors() {
  return {
    about:
      'Circuit keys of the hubs of all vectors (SPEC 6.1), from their seeds. identitySeed: Ed25519 seed of the hub key, ' +
      'hubId its public key. b: X25519 private key. kemSeed: d and z of ML-KEM-768 (FIPS 203); kemPrivate: the ' +
      'decapsulation key that grows from it, for libraries that take no seeds. digest: SHA-256 of digestInput.',
    hubs: VECTOR_HUBS.map(({ name, identitySeed, hubId, b, kemSeed, pair }) => ({
      name,
      identitySeed,
      hubId,
      b,
      kemSeed,
      kemPrivate: pair.k,
      B: pair.B,
      K: pair.K,
      digestInput: join(label('spn/1 circuit key'), pair.B, pair.K),
      digest: pair.digest,
      keyId: pair.keyId,
    })),
  }
}

export function handshakeVectors() {
  return {
    about:
      'Both steps of the handshake of one hop (SPEC 6.2, 6.3) with all that goes in and comes out. Hubs are those of ' +
      'keys.json. x and y: X25519 private keys of client and hub, X and Y their public keys. m: the 32 bytes of chance of ' +
      'ML-KEM.Encaps; without a way to set them, begin with ct and decapsulate. xB, xY: X25519(x, B), X25519(x, Y). ' +
      'transcript is SHA-256 of transcriptInput. early.out and full.out are the whole outputs of HKDF, cut below.',
    cases: [
      ...vectorCircuit('three hops').hops.map((hop) => handshakeCase('three hops', hop)),
      ...vectorCircuit('one hop').hops.map((hop) => handshakeCase('one hop', hop)),
    ],
  }
}

function handshakeCase(circuit: string, { place, role, hub, x, m, y, context }: VectorHop) {
  const { networkId, hubId, idBefore, binding } = context
  const { pair } = hub
  const X = noble.x25519.getPublicKey(x)
  const { cipherText: ct, sharedSecret: ss } = noble.mlKem.encapsulate(pair.K, m)
  const transcriptInput = join(label('spn/1 create'), [1, 1], networkId, hubId, pair.digest, X, ct, idBefore, binding)
  const transcript = nobleHash(transcriptInput)
  const xB = noble.x25519.getSharedSecret(x, pair.B)
  const early = nobleEarly(xB, ss, transcript, place, role)
  const Y = noble.x25519.getPublicKey(y)
  const xY = noble.x25519.getSharedSecret(x, Y)
  const full = nobleFull(xY, Y, early.chain)
  return {
    name: `${circuit}, place ${place}, ${role === 1 ? 'relay' : 'exit'}`,
    hub: hub.name,
    networkId,
    hubId,
    idBefore,
    linkBinding: binding,
    place,
    role,
    x,
    X,
    m,
    ct,
    ss,
    transcriptInput,
    transcript,
    xB,
    early: {
      secret: join(xB, ss),
      salt: transcript,
      info: join(label('spn/1 early'), [place, role]),
      out: join(early.createKey, early.earlyKey, early.chain, early.replayTag),
      ...early,
    },
    y,
    Y,
    xY,
    full: {
      secret: join(xY, Y),
      salt: early.chain,
      info: label('spn/1 full'),
      out: join(full.forwardKey, full.forwardRatchet, full.backwardKey, full.backwardRatchet, full.confirm),
      ...full,
    },
  }
}
