import { describe, expect, test } from '@jest/globals'
import { finishMap, type MadeMap, type MapDraft } from '../../directory/map-draft.ts'
import { ByteReader } from '../../shared/base/byte-reader.ts'
import { ByteWriter } from '../../shared/base/byte-writer.ts'
import { concatBytes, toHex } from '../../shared/base/bytes.ts'
import { formatIp } from '../../shared/base/ip-address.ts'
import { CELL_CLASSES, type CellClass, type CellType, newFrame } from '../../shared/cell/cell.ts'
import { decodeMessages, encodeMessage, MESSAGE_TYPES, type Message, messageBytes } from '../../shared/cell/message.ts'
import { encodeOpen } from '../../shared/cell/purpose.ts'
import { decodeTarget, encodeTarget } from '../../shared/cell/target.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { DirectoryKey, DirectoryPublicKey } from '../../shared/crypto/directory-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { labelled, sha256 } from '../../shared/crypto/kdf.ts'
import { encodeFrame, padFrame, readFrameHeader, writeCellHeader } from '../../shared/link/frame.ts'
import { Link } from '../../shared/link/link.ts'
import { MemoryLedger } from '../../shared/link/memory-ledger.ts'
import { decodeCanonical, encodeCanonical } from '../../shared/map/canonical.ts'
import { type Descriptor, readRoles, signDescriptor, verifyDescriptor } from '../../shared/map/descriptor.ts'
import type { ExitPolicy } from '../../shared/map/exit-policy.ts'
import { unbundleKeys } from '../../shared/map/key-bundles.ts'
import { applyKeyDiff, encodeKeyDiff } from '../../shared/map/key-diff.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import { applyMapDiff, diffSince, encodeMapDiff } from '../../shared/map/map-diff.ts'
import { compareOutlines, outlineOf } from '../../shared/map/map-outline.ts'
import type { Doubts } from '../../shared/map/measured.ts'
import type { Network } from '../../shared/map/network.ts'
import { unpack } from '../../shared/map/packing.ts'
import { readSignedFrame } from '../../shared/map/signed-frame.ts'
import {
  encodeMapBody,
  encodeSignedMap,
  type HubMap,
  signaturesOf,
  signMapBody,
  UnverifiedMap,
} from '../../shared/map/signed-map.ts'
import { signTime, verifyTime } from '../../shared/map/signed-time.ts'
import { faultOf } from '../support/fault-of.ts'
import { hex } from '../support/hex.ts'
import { readVectors, type VectorsOf } from './vector-files.ts'

const LIMITS = { maxBytes: 100_000, maxDepth: 3 }

describe('our messages', () => {
  const { targets, messages, cells, refused, refusedTargets } = readVectors('messages')

  test.each(targets)('a target that is $name', ({ target, host, port }) => {
    const decoded = decodeTarget(new ByteReader(hex(target)))!
    expect(decoded.kind === 'ip' ? formatIp(decoded.address) : decoded.name).toBe(host)
    expect(decoded.port).toBe(port)
    expect(toHex(encodeTarget(decoded))).toBe(target)
  })

  test.each(messages)('$name', ({ type, value, message }) => {
    const decoded = decodeMessages(hex(message))!
    expect(decoded.map((one) => [MESSAGE_TYPES[one.type], textOf(one)])).toEqual([[type, value]])
    expect(toHex(encoded(decoded))).toBe(message)
  })

  test.each(cells)('in a cell: $name', ({ types, application }) => {
    expect(decodeMessages(hex(application))?.map((one) => MESSAGE_TYPES[one.type])).toEqual(types)
  })

  test.each(refused)('refuse $name', ({ application }) => {
    expect(decodeMessages(hex(application))).toBeUndefined()
  })

  test.each(refusedTargets)('refuse a target with $name', ({ target }) => {
    expect(decodeTarget(new ByteReader(hex(target)))).toBeUndefined()
  })
})

function textOf(message: Message): string {
  switch (message.type) {
    case 'open':
      return toHex(encodeOpen(message.target).subarray(1))
    case 'opened':
      return String(message.family)
    case 'refused':
      return String(message.reason)
    case 'data':
      return toHex(message.bytes)
    case 'fin':
      return String(message.total)
    case 'reset':
      return ''
    case 'ping':
    case 'pong':
      return String(message.token)
    case 'datagram':
      return `${toHex(encodeTarget(message.peer))} ${toHex(message.bytes)}`
    case 'unreachable':
      return `${message.reason} ${toHex(encodeTarget(message.peer))}`
    case 'echo':
      return `${message.sequence} ${toHex(message.bytes)}`
    default:
      return message satisfies never
  }
}

function encoded(messages: readonly Message[]): Uint8Array {
  const bytes = new Uint8Array(messages.reduce((sum, message) => sum + messageBytes(message), 0))
  const writer = new ByteWriter(bytes)
  for (const message of messages) encodeMessage(message, writer)
  return bytes
}

describe('our frames', () => {
  const vectors = readVectors('frames')

  test.each(vectors.frames)('$name', ({ type, circuit, bytes, frame }) => {
    expect(toHex(encodeFrame(type, circuit, hex(frame).subarray(8)))).toBe(frame)
    expect(readFrameHeader(hex(frame), 0)).toEqual({ type, cellClass: 0, flags: 0, bytes, circuitId: circuit })
  })

  test.each(vectors.cells)('$name', ({ type, class: cellClass, circuit, bytes, header }) => {
    const frame = newFrame(cellClass as CellClass)
    writeCellHeader(frame, type as CellType, cellClass as CellClass, circuit)
    expect(toHex(frame.subarray(0, 8))).toBe(header)
    expect(readFrameHeader(hex(header), 0)).toEqual({ type, cellClass, flags: 0, bytes, circuitId: circuit })
    expect(bytes).toBe(CELL_CLASSES[cellClass as CellClass])
  })

  test.each(vectors.pads)('padding behind $written bytes', ({ written, frame }) => {
    expect(toHex(padFrame(written) ?? new Uint8Array(0))).toBe(frame)
  })

  test.each(vectors.refused)('refuse $name', ({ header }) => {
    expect(readFrameHeader(hex(header), 0)).toBeUndefined()
  })

  test('begin with a HELLO', () => {
    const sink = { wake() {}, wakeLater() {}, ready() {}, circuit() {}, control() {}, closed() {} }
    const ledger = new MemoryLedger(1)
    const link = new Link({ networkId: hex(vectors.networkId), initiator: true, maxCircuits: 1, ledger }, sink, 0)
    expect(toHex(concatBytes(...link.pull(65_536, 0)))).toBe(vectors.firstWrite)
  })
})

describe('our canonical encoding', () => {
  const vectors = readVectors('canonical')
  const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251)

  test('of numbers, byte strings and lists', () => {
    for (const { value, encoded: bytes } of vectors.numbers) {
      expect(toHex(encodeCanonical(value))).toBe(bytes)
      expect(decodeCanonical(hex(bytes), LIMITS)).toBe(value)
    }
    for (const { length, head } of vectors.byteStrings) {
      expect(toHex(encodeCanonical(counting(length)))).toBe(head + toHex(counting(length)))
    }
    for (const { items, encoded: bytes } of vectors.lists) {
      expect(toHex(encodeCanonical(new Array<number>(items).fill(0)))).toBe(bytes)
      expect(decodeCanonical(hex(bytes), LIMITS)).toHaveLength(items)
    }
    expect(toHex(encodeCanonical([1, [Uint8Array.of(0x61), []]]))).toBe(vectors.nested.encoded)
  })

  test.each(vectors.refused)('refuses $name', ({ bytes }) => {
    expect(faultOf(() => decodeCanonical(hex(bytes), LIMITS)).code).toBe('encoding-invalid')
  })
})

type WrittenDescriptor = VectorsOf<'descriptor'>['descriptors'][number]['descriptor']
type WrittenMap = VectorsOf<'hub-map'>['maps'][number]['map']

const addressesOf = (list: WrittenDescriptor['linkAddresses']): LinkAddress[] =>
  list.map(({ ip, port }) => ({ ip: hex(ip), port }))

const policyOf = (rules: WrittenDescriptor['exitPolicy']): ExitPolicy =>
  rules.map(({ accept, ip, prefix, fromPort, toPort }) => ({
    action: accept ? 'accept' : 'reject',
    ...(ip === '' ? {} : { range: { address: hex(ip), prefix } }),
    fromPort,
    toPort,
  }))

describe('our descriptors', () => {
  const { networkId, identitySeed, hubId, descriptors } = readVectors('descriptor')

  test.each(descriptors)('with $name', ({ descriptor, body, signedMessage, signature, signed }) => {
    const { programVersion, place, loadClass, links, ...rest } = descriptor
    const ours: Descriptor = {
      ...rest,
      hubId: hex(hubId),
      linkAddresses: addressesOf(rest.linkAddresses),
      noiseAddresses: addressesOf(rest.noiseAddresses),
      circuitKey: hex(rest.circuitKey),
      roles: readRoles(rest.roles),
      exitPolicy: policyOf(rest.exitPolicy),
      version: programVersion,
      place: place ?? undefined,
      status: { loadClass, links: links.map(({ hubId: id, rttStep }) => ({ hubId: hex(id), rttStep })) },
    }
    expect(toHex(signDescriptor(ours, HubKey.fromSeed(hex(identitySeed)), hex(networkId)))).toBe(signed)
    expect(verifyDescriptor(hex(signed), hex(networkId))).toEqual(ours)
    expect(hubId + signature + body).toBe(signed)
    expect(toHex(labelled('spn/1 descriptor', hex(networkId), hex(body)))).toBe(signedMessage)
  })
})

describe('our maps', () => {
  const { networkId, threshold, directories, maps } = readVectors('hub-map')
  const network: Network = {
    name: 'vectors',
    id: hex(networkId),
    directories: directories.map(({ name, key }) => ({
      name,
      key: new DirectoryPublicKey(hex(key)),
      url: `http://${name}.example`,
    })),
    threshold,
    testNetwork: true,
  }

  test.each(maps)('$name', ({ map, signers, bundles, body, hash, signedHash, signed }) => {
    const made = finishMap(draftOf(map), network.id)
    const keys = signers.map((signer) =>
      DirectoryKey.fromSeed(hex(directories.find(({ name }) => name === signer)!.seed)),
    )
    expect(toHex(made.body)).toBe(body)
    expect(toHex(sha256(labelled('spn/1 map', network.id, made.body)))).toBe(signedHash)
    const signatures = keys.map((key) => signMapBody(made.body, key, network.id))
    expect(toHex(encodeSignedMap(made.body, signatures))).toBe(signed)
    const verified = new UnverifiedMap(hex(signed)).verify(network, map.validAfter * 1000)
    expect(toHex(verified.hash)).toBe(hash)
    expect(toHex(encodeMapBody(verified.content, network.id))).toBe(body)
    const all = Array.from({ length: 64 }, (_, n) => hex(bundles.find(({ bundle }) => bundle === n)?.keys ?? ''))
    expect(made.bundles.map(toHex)).toEqual(all.map(toHex))
    const { keys: found } = verified.withKeys(all)
    expect(verified.content.hubs.map((hub) => toHex(found!.of(hub)!.bytes))).toEqual(
      map.hubs.map((hub) => hub.circuitKey),
    )
  })

  test('declare ranges as public in test networks only', () => {
    const [first, second] = maps
    const strict = { ...network, testNetwork: false }
    const at = second!.map.validAfter * 1000
    new UnverifiedMap(hex(first!.signed)).verify(strict, at)
    expect(faultOf(() => new UnverifiedMap(hex(second!.signed)).verify(strict, at)).code).toBe('map-scope')
  })
})

function draftOf(map: WrittenMap): MapDraft {
  return {
    epoch: map.epoch,
    validAfter: map.validAfter,
    freshUntil: map.freshUntil,
    validUntil: map.validUntil,
    previousHash: hex(map.hashBefore),
    parameters: { addressScope: map.addressScope.map(({ ip, prefix }) => ({ address: hex(ip), prefix })) },
    hubs: map.hubs.map((hub) => ({
      id: hex(hub.id),
      key: hub.id,
      linkAddresses: addressesOf(hub.linkAddresses),
      noiseAddresses: addressesOf(hub.noiseAddresses),
      circuitKey: new CircuitPublicKey(hex(hub.circuitKey)),
      roles: readRoles(hub.roles),
      exitPolicy: policyOf(hub.exitPolicy),
      operator: hub.operator,
      family: hub.family,
      version: hub.programVersion,
      capacityKbits: hub.capacityKbits,
      measured: { ...hub.measured, doubts: doubtsOf(hub.measured.doubts) },
      location: { place: hub.place, asn: hub.asNumber },
      flags: hub.flags,
    })),
  }
}

function doubtsOf(bits: number): Doubts {
  return { place: (bits & 1) > 0, capacity: (bits & 2) > 0, status: (bits & 4) > 0 }
}

describe('our diffs', () => {
  const { networkId, directories, old, signedOld, diffs } = readVectors('map-diff')
  const network: Network = {
    ...{ name: 'vectors', id: hex(networkId), threshold: 2, testNetwork: false },
    directories: directories.map(({ name, key }) => ({
      ...{ name, url: `http://${name}.example` },
      key: new DirectoryPublicKey(hex(key)),
    })),
  }
  const verified = (signed: string, map: WrittenMap): HubMap =>
    new UnverifiedMap(hex(signed)).verify(network, map.validAfter * 1000)
  const madeOf = (map: WrittenMap): MadeMap => finishMap(draftOf(map), network.id)
  const held = verified(signedOld, old).withKeys(madeOf(old).bundles)
  const outline = (map: WrittenMap): Uint8Array => outlineOf(madeOf(map).content.hubs, madeOf(map).bundles)

  test.each(diffs)('where $name', ({ map, body, diff, signed, keyDiff }) => {
    expect(toHex(applyMapDiff(hex(diff), held))).toBe(signed)
    const target = verified(signed, map)
    expect(applyKeyDiff(hex(keyDiff), target, held)).toEqual(madeOf(map).bundles)

    const { rekeyed } = compareOutlines(outline(old), outline(map))
    const { content, bundles } = madeOf(map)
    const made = diffSince({ hash: held.hash, hubs: outline(old) }, outline(map), content)
    const ours = encodeMapDiff(made, network.id, signaturesOf(hex(signed)))
    const frame = readSignedFrame('SPND', ours, ours.length)
    expect(toHex(unpack(frame.content, frame.length))).toBe(body)
    const keys = unbundleKeys(content.hubs, bundles).map((key, place) => (rekeyed.includes(place) ? key : undefined))
    expect(toHex(encodeKeyDiff(keys))).toBe(keyDiff)
  })
})

describe('our signed times', () => {
  const { networkId, directorySeed, directoryKey, times } = readVectors('signed-time')

  test.each(times)('of $timeMs', ({ nonce, timeMs, message, signedMessage, signature }) => {
    const signed = signTime(hex(nonce), timeMs, DirectoryKey.fromSeed(hex(directorySeed)), hex(networkId))
    expect(toHex(signed.signature)).toBe(signature)
    expect(message.slice(0, 64)).toBe(nonce)
    expect(toHex(labelled('spn/1 time', hex(networkId), hex(message)))).toBe(signedMessage)
    const key = new DirectoryPublicKey(hex(directoryKey))
    expect(verifyTime({ timeMs, signature: hex(signature) }, hex(nonce), key, hex(networkId))).toBe(true)
  })
})
