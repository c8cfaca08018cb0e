import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemAfter } from '../../shared/base/after.ts'
import { concatBytes } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import type { LinkStream } from '../../shared/link/link-stream.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import { makeKeyBundles } from '../../shared/map/key-bundles.ts'
import {
  decodeMirrorRequest,
  encodeHeadline,
  encodeMirrorAnswerHead,
  encodeMirrorRequest,
  encodeSignedTime,
  MAX_PIECE_BYTES,
  MIRROR_ANSWER_HEAD_BYTES,
  MIRROR_REQUEST_BYTES,
  type MirrorRequest,
} from '../../shared/map/mirror-message.ts'
import { type HubMap, MAX_MAP_BYTES, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { signTime } from '../../shared/map/signed-time.ts'
import type { Mirror } from '../../shared/mirror/mirror.ts'
import { MAX_MIRROR_STREAMS } from '../../shared/mirror/mirror-server.ts'
import { rejectionOf } from '../support/fault-of.ts'
import {
  EPOCH,
  type KeyedMap,
  mapHubOf,
  mapOf,
  NETWORK_ID,
  NOW_MS,
  networkWith,
  signMap,
} from '../support/map-fixtures.ts'
import { MirrorScene } from '../support/mirror-scene.ts'
import { until } from '../support/until.ts'

/* A client whose directories are blocked asks hubs, of which some are evil. Maps count that two of three directories signed. */

const { network, keys } = networkWith(3, 2)
const SIGNERS = keys.slice(0, 2)
const newKey = (): CircuitPublicKey => new CircuitPublicKey(CircuitKeyPair.generate().publicBytes)
/** So many that map and keys come in several pieces. */
const HUBS = sortHubs(
  Array.from({ length: 300 }, (_, i) =>
    mapHubOf(
      Uint8Array.from({ length: 32 }, (_, k) => (k === 0 ? 7 : k === 1 ? i >> 8 : i & 255)),
      {
        circuitKey: newKey(),
        operator: `operator ${i} ${'x'.repeat(100)}`,
      },
    ),
  ),
)
const PREVIOUS = mapOf({ epoch: EPOCH - 1, hubs: HUBS.slice(1) })
const NEWEST = mapOf({ hubs: HUBS })
const FRESH_MS = 60_000

function checked(map: KeyedMap, signers: readonly DirectoryKey[] = SIGNERS): HubMap {
  const bare = new UnverifiedMap(signMap(map, signers)).verify({ ...network, threshold: 1 }, map.validAfter * 1000)
  return bare.withKeys(makeKeyBundles(map.hubs))
}
const [previous, newest] = [checked(PREVIOUS), checked(NEWEST)]

let scene: MirrorScene
beforeEach(() => {
  scene = new MirrorScene(network)
})
afterEach(() => scene.close())

const signal = (): AbortSignal => AbortSignal.timeout(FRESH_MS)

/** What a client gets of these hubs. */
async function join(mirrors: readonly Mirror[], held?: HubMap): Promise<HubMap | undefined> {
  const source = scene.source(mirrors)
  const map = await source.fetchMap(NOW_MS, held, signal())
  return map && source.fetchKeys(map, held, signal())
}

const found = (bytes: Uint8Array, total = bytes.length): Uint8Array =>
  concatBytes(encodeMirrorAnswerHead({ status: 'found', total }), bytes)

/** Answers each question as the test says; undefined for no answer at all. */
function evil(answer: (request: MirrorRequest) => Uint8Array | undefined | Promise<Uint8Array>): Promise<Mirror> {
  const serve = async (stream: LinkStream): Promise<void> => {
    for (;;) {
      const request = decodeMirrorRequest(await stream.read(MIRROR_REQUEST_BYTES))
      const bytes = await answer(request)
      if (bytes !== undefined) stream.send(bytes)
    }
  }
  return scene.evil((stream) => void serve(stream).catch(() => undefined))
}

/** Has a map that it should not have, or says so, and hands it out in pieces. */
function evilWith(signed: Uint8Array, head = { epoch: EPOCH, hash: newest.hash }): Promise<Mirror> {
  return evil((request) => {
    if (request.kind === 'head') return found(encodeHeadline(head))
    if (request.kind !== 'map') return encodeMirrorAnswerHead({ status: 'not-found', total: 0 })
    return found(signed.subarray(request.offset, request.offset + MAX_PIECE_BYTES), signed.length)
  })
}

describe('honest hubs', () => {
  test('give the map with its keys, in pieces, and a diff to who has the one before', async () => {
    const { mirror, server } = await scene.honest([previous, newest])
    const map = await join([mirror])
    expect(map?.bytes).toEqual(newest.bytes)
    expect(map?.keys?.bundles).toEqual(newest.keys?.bundles)
    expect(newest.bytes.length).toBeGreaterThan(MAX_PIECE_BYTES)
    const whole = server.servedBytes
    expect((await join([mirror], previous))?.bytes).toEqual(newest.bytes)
    expect(server.servedBytes - whole).toBeLessThan(4_000)
    expect(await join([mirror], newest)).toBeUndefined()
  })

  test('tell of no map that is over', async () => {
    const { mirror } = await scene.honest([newest], { networkMs: () => NEWEST.validUntil * 1000 })
    expect((await rejectionOf(mirror.head())).code).toBe('not-found')
  })
})

describe('an honest hub that ended streams which nobody used', () => {
  test('is asked on a new one', async () => {
    let asked = 0
    const mirror = await scene.evil((stream) => {
      const serve = async (): Promise<void> => {
        await stream.read(MIRROR_REQUEST_BYTES)
        asked++
        stream.send(found(encodeHeadline({ epoch: EPOCH, hash: newest.hash })))
        await stream.read(MIRROR_REQUEST_BYTES)
        stream.abort()
      }
      void serve().catch(() => undefined)
    })
    for (let i = 0; i < 3; i++) expect((await mirror.head()).epoch).toBe(EPOCH)
    expect(asked).toBe(3)
  })
})

describe('a hub that shows', () => {
  test('an old map, still valid, is outdone by one that shows the newest, wherever it stands', async () => {
    const frozen = await scene.honest([previous])
    const good = await scene.honest([previous, newest])
    for (const mirrors of [
      [frozen.mirror, good.mirror],
      [good.mirror, frozen.mirror],
    ]) {
      expect((await join(mirrors))?.content.epoch).toBe(EPOCH)
    }
  })

  test('an old map gives nothing to who has a newer one', async () => {
    const { mirror } = await scene.honest([previous])
    expect((await rejectionOf(join([mirror], newest))).code).toBe('map-older')
  })

  test.each<[string, () => Uint8Array, string]>([
    ['a map that too few signed', () => signMap(NEWEST, keys.slice(0, 1)), 'signatures-too-few'],
    ['a map that is over', () => signMap(mapOf({ epoch: EPOCH - 9, hubs: HUBS }), SIGNERS), 'map-expired'],
    ['a map of the future', () => signMap(mapOf({ epoch: EPOCH + 9, hubs: HUBS }), SIGNERS), 'map-early'],
    ['garbage', () => new Uint8Array(200_000).fill(0x5a), 'encoding-invalid'],
    [
      'a map with one byte changed',
      () => newest.bytes.map((byte, i) => (i === 70_000 ? byte ^ 1 : byte)),
      'signature-invalid',
    ],
  ])('%s is refused, and an honest one beside it is believed', async (_, signed, fault) => {
    const liar = await evilWith(signed(), { epoch: EPOCH + 100, hash: newest.hash })
    expect((await rejectionOf(join([liar]))).code).toBe(fault)
    const { mirror } = await scene.honest([newest])
    expect((await join([liar, mirror]))?.bytes).toEqual(newest.bytes)
  })

  test('an old map as that of a later epoch does not keep the newest from anybody', async () => {
    const older = checked(mapOf({ epoch: EPOCH - 2, hubs: HUBS.slice(2) }))
    const { mirror } = await scene.honest([newest])
    for (const held of [undefined, older, previous]) {
      const liar = await evilWith(previous.bytes, { epoch: EPOCH + 1, hash: previous.hash })
      expect((await join([liar, mirror], held))?.bytes).toEqual(newest.bytes)
    }
  })

  test('the map held does not keep a newer one from who gets that slowly', async () => {
    const frozen = await scene.honest([previous])
    const slow = await evil(async (request) => {
      if (request.kind === 'head') return found(encodeHeadline({ epoch: EPOCH, hash: newest.hash }))
      await sleep(300)
      if (request.kind !== 'map') return encodeMirrorAnswerHead({ status: 'not-found', total: 0 })
      return found(newest.bytes.subarray(request.offset, request.offset + MAX_PIECE_BYTES), newest.bytes.length)
    })
    const source = scene.source([frozen.mirror, slow], (ms, call) => systemAfter(ms / 20, call))
    expect((await source.fetchMap(NOW_MS, previous, signal()))?.bytes).toEqual(newest.bytes)
  })

  test('no map that it says to have does not hide that the one held is the newest', async () => {
    const liar = await evilWith(new Uint8Array(100), { epoch: EPOCH + 1, hash: previous.hash })
    const { mirror } = await scene.honest([newest])
    expect(await join([liar, mirror], newest)).toBeUndefined()
  })

  test('another map than the one that it named is refused', async () => {
    const liar = await evilWith(previous.bytes)
    expect((await rejectionOf(join([liar]))).code).toBe('encoding-invalid')
  })

  test('keys of its own is refused, and the keys are asked of another one', async () => {
    const own = makeKeyBundles(HUBS.map((hub) => ({ ...hub, circuitKey: newKey() })))
    const liar = await evil((request) => {
      if (request.kind === 'head') return found(encodeHeadline({ epoch: EPOCH, hash: newest.hash }))
      const from = request.kind === 'map' ? newest.bytes : own.find(({ length }) => length > 0)!
      const offset = 'offset' in request ? request.offset : 0
      return found(from.subarray(offset, offset + MAX_PIECE_BYTES), from.length)
    })
    expect((await rejectionOf(join([liar]))).code).toBe('keys-damaged')
    const { mirror } = await scene.honest([newest])
    expect((await join([liar, mirror]))?.keys?.bundles).toEqual(newest.keys?.bundles)
  })
})

describe('a hub that answers', () => {
  const big = concatBytes(
    encodeMirrorAnswerHead({ status: 'found', total: MAX_MAP_BYTES + 1 }),
    new Uint8Array(MAX_PIECE_BYTES),
  )
  const cases: [string, (request: MirrorRequest) => Uint8Array | undefined, string][] = [
    ['with more than a map may have', ({ kind }) => (kind === 'head' ? head() : big), 'document-too-large'],
    ['with a head that is too long', () => found(new Uint8Array(37)), 'directory-unreachable'],
    ['with a status that there is not', () => Uint8Array.of(9, 0, 0, 0, 1), 'directory-unreachable'],
    ['that it has a document of no bytes', () => Uint8Array.of(0, 0, 0, 0, 0), 'directory-unreachable'],
    ['nothing at all', () => undefined, 'directory-unreachable'],
    ['that it is busy, for ever', () => encodeMirrorAnswerHead({ status: 'busy', total: 0 }), 'directory-unreachable'],
    [
      'with bytes that nobody asked for',
      ({ kind }) => (kind === 'head' ? concatBytes(head(), new Uint8Array(500_000)) : undefined),
      'directory-unreachable',
    ],
    [
      'with another length in a later piece',
      (request) => {
        if (request.kind === 'head') return head()
        const offset = 'offset' in request ? request.offset : 0
        const total = offset === 0 ? newest.bytes.length : newest.bytes.length + MAX_PIECE_BYTES * 4
        return found(new Uint8Array(MAX_PIECE_BYTES), total)
      },
      'encoding-invalid',
    ],
  ]
  const head = (): Uint8Array => found(encodeHeadline({ epoch: EPOCH, hash: newest.hash }))

  test.each(cases)('%s costs the client that hub', async (_, answer, fault) => {
    const liar = await evil(answer)
    expect((await rejectionOf(join([liar]))).code).toBe(fault)
    expect(liar.receivedBytes).toBeLessThan(1_000_000)
    const { mirror } = await scene.honest([newest])
    expect((await join([liar, mirror]))?.bytes).toEqual(newest.bytes)
  })

  /** Answers each question for a piece after so long, as often as somebody asks. */
  const slowly = async (ms: number, total: number) => {
    const asked = { pieces: 0 }
    const mirror = await evil(async (request) => {
      if (request.kind === 'head') return head()
      asked.pieces++
      await sleep(ms)
      return found(new Uint8Array(MAX_PIECE_BYTES), total)
    })
    return { asked, mirror }
  }

  test('piece by piece is not asked for more of them once another one brought the map', async () => {
    const { asked, mirror: slow } = await slowly(100, MAX_MAP_BYTES)
    const { mirror } = await scene.honest([newest])
    const source = scene.source([slow, mirror], (ms, call) => systemAfter(ms / 20, call))
    expect((await source.fetchMap(NOW_MS, undefined, signal()))?.bytes).toEqual(newest.bytes)
    const before = asked.pieces
    expect(before).toBeGreaterThan(1)
    await sleep(500)
    expect(asked.pieces).toBe(before)
  })

  test('piece by piece, for ever, is given up', async () => {
    const { asked, mirror } = await slowly(50, MAX_MAP_BYTES)
    const source = scene.source([mirror], (ms, call) => systemAfter(ms / 300, call))
    await rejectionOf(source.fetchMap(NOW_MS, undefined, signal()))
    expect(asked.pieces).toBeLessThan(MAX_MAP_BYTES / MAX_PIECE_BYTES / 2)
  })

  test('wrongly in one piece is asked for no others', async () => {
    let pieces = 0
    const liar = await evil(async (request) => {
      if (request.kind === 'head') return head()
      const total = ++pieces === 3 ? MAX_MAP_BYTES - 1 : MAX_MAP_BYTES
      await sleep(pieces > 3 ? 20 : 0)
      return found(new Uint8Array(MAX_PIECE_BYTES), total)
    })
    expect((await rejectionOf(liar.map(newest.hash))).code).toBe('encoding-invalid')
    await sleep(500)
    expect(pieces).toBeLessThan(3 * MAX_MIRROR_STREAMS)
  })

  test('in drips costs seconds: another one is asked beside it', async () => {
    const slow = await scene.evil((stream) => {
      const drip = async (): Promise<void> => {
        for (;;) {
          const request = decodeMirrorRequest(await stream.read(MIRROR_REQUEST_BYTES))
          if (request.kind === 'head') {
            stream.send(found(encodeHeadline({ epoch: EPOCH + 1, hash: newest.hash })))
            continue
          }
          stream.send(encodeMirrorAnswerHead({ status: 'found', total: newest.bytes.length }))
          for (const byte of newest.bytes) {
            stream.send(Uint8Array.of(byte))
            await new Promise((resolve) => setTimeout(resolve, 5))
            if (stream.ended) return
          }
        }
      }
      void drip().catch(() => undefined)
    })
    const { mirror } = await scene.honest([newest])
    expect((await join([slow, mirror]))?.bytes).toEqual(newest.bytes)
  })
})

describe('the time that hubs pass on', () => {
  const TRUE_MS = NOW_MS + 12_345
  const signed = (directory: Uint8Array, nonce: Uint8Array, by?: DirectoryKey) => {
    const key = by ?? keys.find(({ publicBytes }) => Buffer.from(publicBytes).equals(directory))
    return key && signTime(nonce, TRUE_MS, key, NETWORK_ID)
  }
  const asksDirectories = (directory: Uint8Array, nonce: Uint8Array) => {
    const time = signed(directory, nonce)
    return time && Promise.resolve(time)
  }
  const timeOf = async (mirrors: readonly Mirror[]): Promise<number> => {
    const { networkMs, at } = await scene.source(mirrors).fetchTime(signal())
    return networkMs - at + at
  }

  test('is that of the directories', async () => {
    const { mirror } = await scene.honest([], { askTime: asksDirectories })
    expect(Math.abs((await timeOf([mirror])) - TRUE_MS)).toBeLessThan(5_000)
  })

  const old = new Uint8Array(32).fill(1)
  test.each<[string, (request: Extract<MirrorRequest, { kind: 'time' }>) => Uint8Array]>([
    ['signed by another directory', ({ directory, nonce }) => encodeSignedTime(signed(directory, nonce, keys[0])!)],
    ['for the nonce of somebody else', ({ directory }) => encodeSignedTime(signed(directory, old)!)],
    [
      'moved by an hour',
      ({ directory, nonce }) => {
        const { timeMs, signature } = signed(directory, nonce)!
        return encodeSignedTime({ timeMs: timeMs + 3_600_000, signature })
      },
    ],
  ])('can not be %s', async (_, lie) => {
    const liar = await evil((request) => (request.kind === 'time' ? found(lie(request)) : undefined))
    expect((await rejectionOf(timeOf([liar]))).code).toBe('directory-unreachable')
  })

  test('needs as many directories as maps need signatures', async () => {
    const askTime = (directory: Uint8Array, nonce: Uint8Array) =>
      Buffer.from(directory).equals(keys[0]!.publicBytes)
        ? asksDirectories(directory, nonce)
        : Promise.reject(new Fault('directory-unreachable'))
    const { mirror } = await scene.honest([], { askTime })
    expect((await rejectionOf(timeOf([mirror]))).code).toBe('directory-unreachable')
  })
})

describe('somebody who asks', () => {
  const question = encodeMirrorRequest({ kind: 'map', hash: newest.hash, offset: 0 })

  test('without reading makes the hub hold one piece for a stream, until its time is over', async () => {
    const { server, node } = await scene.honest([newest])
    const streams = await Promise.all(Array.from({ length: MAX_MIRROR_STREAMS }, () => scene.stream(node)))
    for (const stream of streams) stream.send(question)
    await until(() => server.piecesHeld === MAX_MIRROR_STREAMS)
    expect(server.servedBytes).toBe(MAX_MIRROR_STREAMS * MAX_PIECE_BYTES)
    await until(() => streams.every(({ ended }) => ended))
    await until(() => server.piecesHeld === 0)
  })

  test('on more streams than it may has no more of them', async () => {
    const { node } = await scene.honest([newest])
    const streams = await Promise.all(
      Array.from({ length: MAX_MIRROR_STREAMS + 4 }, () => scene.stream(node).catch(() => undefined)),
    )
    const answers = await Promise.allSettled(
      streams.map(async (stream) => {
        stream?.send(question)
        return stream?.read(MIRROR_ANSWER_HEAD_BYTES)
      }),
    )
    expect(
      answers.filter((answer) => answer.status === 'fulfilled' && answer.value !== undefined).length,
    ).toBeLessThanOrEqual(MAX_MIRROR_STREAMS)
  })

  test('for many things at once loses the stream', async () => {
    const { server, node } = await scene.honest([newest])
    const stream = await scene.stream(node)
    stream.send(concatBytes(...Array.from({ length: 100 }, () => question)))
    await until(() => stream.ended)
    expect(server.servedBytes).toBeLessThanOrEqual(MAX_PIECE_BYTES)
    expect(server.piecesHeld).toBe(0)
  })

  test.each<[string, Uint8Array]>([
    ['for something that there is not', question.with(0, 77)],
    ['with something in a field that has nothing to say', question.with(68, 1)],
  ])('%s loses the stream', async (_, bytes) => {
    const { node } = await scene.honest([newest])
    const stream = await scene.stream(node)
    stream.send(bytes)
    await until(() => stream.ended)
  })

  test('for more than its share is told to wait, and others get theirs', async () => {
    const { mirror, server } = await scene.honest([newest], {}, 1)
    const served = async (): Promise<number> => {
      for (;;) {
        const before = server.servedBytes
        const over = await Promise.race([
          mirror.map(newest.hash).then(() => false),
          new Promise((r) => setTimeout(r, 1_000, true)),
        ])
        if (over) return before
      }
    }
    expect(await served()).toBeLessThanOrEqual(16 * 1024 * 1024)
    expect(server.servedBytes).toBeGreaterThan(10 * 1024 * 1024)
  }, 60_000)

  test('behind the end, or for what is not there, hears that', async () => {
    const { mirror, node } = await scene.honest([newest])
    expect((await rejectionOf(mirror.map(previous.hash))).code).toBe('not-found')
    const stream = await scene.stream(node)
    stream.send(encodeMirrorRequest({ kind: 'map', hash: newest.hash, offset: newest.bytes.length }))
    expect(await stream.read(MIRROR_ANSWER_HEAD_BYTES)).toEqual(Uint8Array.of(1, 0, 0, 0, 0))
  })
})
