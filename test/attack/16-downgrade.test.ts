import { spawn } from 'node:child_process'
import net from 'node:net'
import type { ConnectionOptions, TlsOptions } from 'node:tls'
import { afterEach, describe, expect, test } from '@jest/globals'
import { concatBytes } from '../../shared/base/bytes.ts'
import { bodyOf, CELL_TYPES, newFrame } from '../../shared/cell/cell.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { LINK_TLS_GROUP } from '../../shared/link/tls-parameters.ts'
import { encodeCanonical, type Value } from '../../shared/map/canonical.ts'
import { signDescriptor, verifyDescriptor } from '../../shared/map/descriptor.ts'
import { mapValue } from '../../shared/map/hub-map.ts'
import { encodeSignedMap, signMapBody, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { faultOf } from '../support/fault-of.ts'
import { LOOPBACK, TestNodes } from '../support/link-nodes.ts'
import { descriptorOf, NETWORK_ID as MAP_NETWORK_ID, mapOf, NOW_MS, networkWith } from '../support/map-fixtures.ts'
import { MemoryNetwork, NETWORK_ID } from '../support/memory-network.ts'
import { FORWARD, nobleAad, nobleNonce, PHASE, TYPE } from '../support/noble-cells.ts'
import { nobleEarly, noblePublicKey } from '../support/noble-handshake.ts'
import { join, label, noble, nobleHash, nobleSeal, u32 } from '../support/noble-primitives.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import { helloFrame, type RawLink, RawLinks, rawIdentity } from './support/raw-link.ts'

/*
 * Somebody offers less than the network asks for: a group without ML-KEM, TLS 1.2, a cipher that is not ours, an older version of
 * the link, of the handshake, of a document. Both sides refuse it; where there is a choice, the better one is taken.
 */

const nodes = new TestNodes()
const raws = new RawLinks()
const cleanUp: (() => unknown)[] = []

afterEach(async () => {
  for (const step of cleanUp.splice(0)) await step()
  await raws.close()
  await nodes.close()
})

const soon = (): AbortSignal => AbortSignal.timeout(15_000)

const LESS: Readonly<Record<string, ConnectionOptions & TlsOptions>> = {
  'X25519 alone': { ecdhCurve: 'X25519' },
  'P-256 alone': { ecdhCurve: 'P-256' },
  'all classical groups': { ecdhCurve: 'X25519:P-256:P-384:P-521:X448' },
  'ML-KEM without X25519': { ecdhCurve: 'MLKEM768' },
  'another hybrid group': { ecdhCurve: 'SecP256r1MLKEM768' },
  'TLS 1.2': {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384',
    ecdhCurve: 'X25519',
  },
  'TLS 1.1': { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0', ecdhCurve: 'X25519' },
  'a cipher that is not ours': { ciphers: 'TLS_AES_128_CCM_SHA256' },
}
const BOTH = { ecdhCurve: `X25519:${LINK_TLS_GROUP}` }

describe('a hub that is dialled', () => {
  test.each(Object.keys(LESS))('refuses %s in the handshake', async (what) => {
    const hub = await nodes.start()
    const link = await raws.dial(hub.address.port, { ...(await rawIdentity(6)), ...LESS[what] })
    expect([link, hub.links]).toEqual([undefined, []])
  })

  test('takes the better of two groups, also from who likes the other more', async () => {
    const hub = await nodes.start()
    const link = (await raws.dial(hub.address.port, { ...(await rawIdentity(6)), ...BOTH })) as RawLink
    expect(link.socket.getEphemeralKeyInfo()).toMatchObject({ name: LINK_TLS_GROUP })
    link.send(helloFrame())
    await until(() => hub.links.length === 1)
  })

  test.each([
    ['TLS 1.3 with X25519', ['-tls1_3', '-groups', 'X25519']],
    ['TLS 1.3 with P-256', ['-tls1_3', '-groups', 'P-256']],
    ['TLS 1.2', ['-tls1_2']],
  ])('refuses openssl with %s', async (_what, args) => {
    const hub = await nodes.start()
    const openssl = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${hub.address.port}`, ...args])
    let output = ''
    for (const stream of [openssl.stdout, openssl.stderr]) stream.on('data', (text) => (output += String(text)))
    openssl.stdin.end()
    await new Promise((resolve) => openssl.once('close', resolve))
    expect(output).toMatch(/alert (handshake failure|protocol version)/)
    expect(output).toMatch(/no peer certificate available/)
    expect(hub.links).toEqual([])
  })
})

describe('who dials', () => {
  test.each(Object.keys(LESS))('refuses a hub that offers %s', async (what) => {
    const identity = await rawIdentity(5)
    const got: RawLink[] = []
    const port = await raws.listen({ ...identity, ...LESS[what] }, (link) => got.push(link))
    const { node, links } = await nodes.start()
    await expect(node.dial(identity.id, [{ ip: LOOPBACK, port }], soon())).rejects.toMatchObject({ name: 'Fault' })
    expect([got, links]).toEqual([[], []])
  })

  test('gets the better of two groups from a hub that likes the other more', async () => {
    const identity = await rawIdentity(5)
    const port = await raws.listen({ ...identity, ...BOTH }, (link) => link.send(helloFrame()))
    const { node } = await nodes.start()
    expect((await node.dial(identity.id, [{ ip: LOOPBACK, port }], soon())).link.closed).toBe(false)
  })

  test('refuses a hub from whose sight somebody took the group on the way', async () => {
    const [hub, { node, links }] = [await nodes.start(), await nodes.start()]
    let stripped = 0
    const middle = net.createServer((near) => {
      const far = net.connect({ host: '127.0.0.1', port: hub.address.port })
      near.on('data', (chunk) => far.write(withoutGroup(chunk)))
      far.on('data', (chunk) => near.write(chunk))
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on('error', () => {})
        one.on('close', () => other.destroy())
      }
    })
    const withoutGroup = (chunk: Buffer): Buffer => {
      const at = chunk.indexOf(Buffer.of(0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x11, 0xec)) // supported_groups
      if (at < 0) return chunk
      stripped++
      const changed = Buffer.from(chunk)
      changed.writeUInt16BE(0x001d, at + 6)
      return changed
    }
    await new Promise<void>((resolve) => middle.listen({ host: '127.0.0.1', port: 0 }, resolve))
    cleanUp.push(() => middle.close())
    const { port } = middle.address() as net.AddressInfo
    await expect(node.dial(hub.id, [{ ip: LOOPBACK, port }], soon())).rejects.toMatchObject({ name: 'Fault' })
    expect([stripped, links, hub.links]).toEqual([1, [], []])
  })
})

describe.each([0, 2, 255])('version %i of the link', (version) => {
  test('is refused by a hub that is dialled, with all that stands behind the HELLO', async () => {
    const hub = await nodes.start()
    const link = (await raws.dial(hub.address.port, await rawIdentity(6))) as RawLink
    const create = newFrame(3)
    create.set([CELL_TYPES.create, 3, 0, 0, 0, 0, 0, 1])
    link.send(helloFrame(version), create)
    await until(() => link.closed)
    expect([hub.links, hub.circuits]).toEqual([[], []])
  })

  test('is refused by who dials, by its name', async () => {
    const identity = await rawIdentity(5)
    const port = await raws.listen(identity, (link) => link.send(helloFrame(version)))
    const { node, links } = await nodes.start()
    const dialled = node.dial(identity.id, [{ ip: LOOPBACK, port }], soon())
    await expect(dialled).rejects.toMatchObject({ code: 'link-version' })
    expect(links).toEqual([])
  })
})

describe('a CREATE', () => {
  const random = seededRandom('downgrade')

  /** What a hub does with a CREATE for the exit that was made for this version and suite of the handshake. */
  async function outcome(version: number, suite: number): Promise<string[]> {
    const network = new MemoryNetwork(['a'])
    const hub = network.hub('a')
    const { link, clientKey, linkBinding } = network.join('client', 'a')
    const { B, K, digest, keyId } = noblePublicKey(hub.keys.current.pair.publicBytes)
    const x = random.bytes(32)
    const X = noble.x25519.getPublicKey(x)
    const { cipherText: ct, sharedSecret: ss } = noble.mlKem.encapsulate(K, random.bytes(32))
    const facts = [NETWORK_ID, hub.id, digest, X, ct, clientKey, linkBinding]
    const T = nobleHash(label('spn/1 create'), Uint8Array.of(version, suite), ...facts)
    const early = nobleEarly(noble.x25519.getSharedSecret(x, B), ss, T, 1, 2)
    const plain = new Uint8Array(4088 - 1124 - 16)
    plain.set(u32(network.time.granuleAt(network.clock.now())))
    const where = { direction: FORWARD, phase: PHASE.create, cellClass: 3, type: TYPE.create, place: 1, counter: 0 }
    const frame = newFrame(3)
    bodyOf(frame).set(join(keyId, X, ct, nobleSeal(early.createKey, nobleNonce(0), nobleAad(where), plain)))
    link.openCircuit().send(CELL_TYPES.create, frame)
    await network.run()
    return [...hub.metrics.createsAccepted.entries.keys(), ...hub.metrics.createsRefused.entries.keys()]
  }

  test('of version 1 and suite 1 opens, of any other it does not', async () => {
    expect(await outcome(1, 1)).toEqual(['exit'])
    for (const [version, suite] of [
      [0, 1],
      [2, 1],
      [1, 0],
      [1, 2],
    ] as const) {
      expect(await outcome(version, suite)).toEqual(['create-unreadable'])
    }
  })
})

describe('a document', () => {
  const { network, keys } = networkWith(3, 2)

  function signedMap(version: number, format: number): Uint8Array {
    const [, ...rest] = mapValue(mapOf(), MAP_NETWORK_ID) as readonly Value[]
    const body = encodeCanonical([version, ...rest])
    const signed = encodeSignedMap(
      body,
      keys.map((key) => signMapBody(body, key, MAP_NETWORK_ID)),
    )
    signed[4] = format
    return signed
  }

  function signedDescriptor(version: number): Uint8Array {
    const key = HubKey.generate()
    const body = signDescriptor(descriptorOf(key), key, MAP_NETWORK_ID).slice(96)
    expect([...body.subarray(0, 4)]).toEqual([0xdc, 0, 16, 1]) // a list of sixteen
    body[3] = version
    return concatBytes(key.publicBytes, key.sign('spn/1 descriptor', MAP_NETWORK_ID, body), body)
  }

  test.each([0, 2, 127])('of version %i is refused though it is signed: map, its format, descriptor', (version) => {
    for (const [ofMap, ofFormat] of [
      [version, 1],
      [1, version],
    ] as const) {
      const map = new UnverifiedMap(signedMap(ofMap, ofFormat))
      expect(faultOf(() => map.verify(network, NOW_MS)).code).toBe('encoding-invalid')
    }
    const refused = faultOf(() => verifyDescriptor(signedDescriptor(version), MAP_NETWORK_ID))
    expect(refused.code).toBe('descriptor-invalid')
  })

  test('of version 1 is taken', () => {
    expect(new UnverifiedMap(signedMap(1, 1)).verify(network, NOW_MS).content.hubs).toHaveLength(3)
    expect(verifyDescriptor(signedDescriptor(1), MAP_NETWORK_ID).sequence).toBe(1)
  })
})
