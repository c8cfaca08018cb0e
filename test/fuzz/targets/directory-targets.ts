import { createHttpServer } from '../../../directory/http-server.ts'
import { Intake } from '../../../directory/intake.ts'
import { SqliteStore } from '../../../directory/sqlite-store.ts'
import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { concatBytes, toHex, utf8 } from '../../../shared/base/bytes.ts'
import { isFault } from '../../../shared/base/fault.ts'
import { CircuitKeyPair } from '../../../shared/crypto/circuit-key.ts'
import { DirectoryKey, DirectoryPublicKey } from '../../../shared/crypto/directory-key.ts'
import { HubKey } from '../../../shared/crypto/hub-key.ts'
import { signDescriptor } from '../../../shared/map/descriptor.ts'
import { DirectoryClient } from '../../../shared/map/directory-client.ts'
import { signTime } from '../../../shared/map/signed-time.ts'
import { NO_DOCUMENTS, OTHER_HANDLERS } from '../../support/map-documents.ts'
import { descriptorOf, NETWORK_ID, NOW_MS } from '../../support/map-fixtures.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

const KEY = DirectoryKey.fromSeed(new Uint8Array(32).fill(0x11))
const HUB = HubKey.fromSeed(new Uint8Array(32).fill(0x12))
const CIRCUIT_KEY = CircuitKeyPair.fromBytes(new Uint8Array(96).fill(0x5a)).publicBytes
const NONCE = new Uint8Array(32).fill(0x0f)
const MAP = { map: { epoch: 7, hash: new Uint8Array(32).fill(0xab), signed: Uint8Array.of(1, 2, 3) }, freshForS: 90 }
/** Bytes between the parts of a request. */
const CUT = 0x0a

const line = (...parts: (string | Uint8Array)[]): Uint8Array =>
  concatBytes(...parts.flatMap((part) => [typeof part === 'string' ? utf8(part) : part, Uint8Array.of(CUT)])).slice(
    0,
    -1,
  )

function makeServer() {
  const limits = { maxHubs: 4, newHubsPerBlock: 2, perMinutePerHub: 6, perMinutePerSender: 6e4 }
  const intake = new Intake({ networkId: NETWORK_ID, addressScope: [], ...limits }, new SqliteStore(':memory:'))
  let at = NOW_MS
  return createHttpServer({
    takeDescriptor: async (signed, sender) => {
      at += 1
      return (await intake.take(signed, sender, at)).isNew ? 'accepted' : 'unchanged'
    },
    map: () => MAP,
    documents: {
      ...NO_DOCUMENTS,
      keys: async (hash) => (hash[0] === 0xab ? Uint8Array.of(4) : undefined),
      diff: async (from, to) => (from[0] === 0xab && to[0] === 0xab ? Uint8Array.of(5) : undefined),
    },
    time: (nonce) => signTime(nonce, NOW_MS, KEY, NETWORK_ID),
    ...OTHER_HANDLERS,
    health: async () => ({ epoch: 7, hubs: 3 }),
  })
}
let server: ReturnType<typeof makeServer> | undefined

/** method | path and query | content type | if-none-match | body, with line feeds between them */
const httpServer: FuzzTarget = {
  name: 'directory-http',
  about: 'a request to a directory',
  maxBytes: 4096,
  words: [
    '/v1/time?nonce=',
    '/v1/map',
    '/v1/head',
    '/v1/keys/',
    '/v1/diffs/',
    'ab'.repeat(32),
    '&nonce=',
    '%',
    '%00',
    'application/octet-stream',
    'application/json',
  ].map(utf8),
  seeds: () => [
    line('GET', '/v1/map', '', ''),
    line('GET', '/v1/map', '', `"${'ab'.repeat(32)}"`),
    line('GET', `/v1/time?nonce=${toHex(NONCE)}`),
    line('GET', '/healthz'),
    line('GET', '/v1/head'),
    ...['maps', 'keys'].map((kind) => line('GET', `/v1/${kind}/${'ab'.repeat(32)}`)),
    ...['diffs', 'keys'].map((kind) => line('GET', `/v1/${kind}/${'ab'.repeat(32)}/${'ab'.repeat(32)}`)),
    line(
      'POST',
      '/v1/descriptors',
      'application/octet-stream',
      '',
      signDescriptor(descriptorOf(HUB, { circuitKey: CIRCUIT_KEY }), HUB, NETWORK_ID),
    ),
    line('POST', '/v1/descriptors', 'application/json', '', '{}'),
  ],
  async run(input) {
    server ??= makeServer()
    const parts = splitAt(input, CUT, 4)
    const [method, path, type, etag] = parts.map((part) => Buffer.from(part).toString('latin1'))
    const body = Buffer.from(parts[4] ?? [])
    const headers = { 'content-type': headerOf(type), 'if-none-match': headerOf(etag) }
    const known = (['GET', 'POST', 'PUT', 'HEAD', 'DELETE'] as const).find((one) => one === method) ?? 'GET'
    const url = `/${(path ?? '').replace(/^\/+/, '').replace(/[^!-~]|\\/g, (char) => encodeURIComponent(char))}`
    const answer = await server.inject({ method: known, url, headers, ...(body.length > 0 ? { payload: body } : {}) })
    promise(answer.statusCode !== 500, `no request is a bug: ${answer.body.slice(0, 200)}`)
    promise(
      answer.statusCode < 400 || known === 'HEAD' || /^\{"fault":"[a-z-]+"\}$/.test(answer.body),
      'a refusal is a code and nothing else',
    )
    return `${known} ${answer.statusCode}`
  },
}

function headerOf(text: string | undefined): string {
  return (text ?? '').replace(/[^ -~]/g, '')
}

function splitAt(input: Uint8Array, cut: number, most: number): Uint8Array[] {
  const parts: Uint8Array[] = []
  let rest = input
  for (let i = 0; i < most; i++) {
    const at = rest.indexOf(cut)
    if (at < 0) break
    parts.push(rest.subarray(0, at))
    rest = rest.subarray(at + 1)
  }
  return [...parts, rest]
}

const NETWORK = {
  ...{ name: 'fuzz', id: NETWORK_ID, threshold: 1, testNetwork: false },
  directories: [{ name: 'd0', key: new DirectoryPublicKey(KEY.publicBytes), url: 'http://d0.example' }],
}
const CLIENT = new DirectoryClient(NETWORK, {
  clock: { now: () => 1000 },
  random: { bytes: () => NONCE.slice(), below: () => 0 },
})
const SIGNED_TIME = signTime(NONCE, NOW_MS, KEY, NETWORK_ID)

/** what is asked u8: time, map, publish | status u8, in hundreds | the body of the answer */
const directoryAnswer: FuzzTarget = {
  name: 'directory-answer',
  about: 'what a directory answers: time, map, refusal of a descriptor',
  maxBytes: 1024,
  words: ['{"timeMs":', ',"signature":"', '"}', '1e999', '-1', '9007199254740993', '{"fault":"', '{"epoch":'].map(utf8),
  seeds: () => [
    concatBytes(Uint8Array.of(0, 2), utf8(JSON.stringify({ ...SIGNED_TIME, signature: toHex(SIGNED_TIME.signature) }))),
    concatBytes(Uint8Array.of(0, 2), utf8('{"timeMs":-1,"signature":""}')),
    concatBytes(Uint8Array.of(1, 2), utf8('SPNM')),
    concatBytes(Uint8Array.of(1, 2), utf8(`{"epoch":1,"hash":"${'ab'.repeat(32)}"}`)),
    concatBytes(Uint8Array.of(2, 4), utf8('{"fault":"descriptor-older"}')),
    Uint8Array.of(2, 2),
  ],
  async run(input) {
    const reader = new ByteReader(input)
    const what = reader.u8() % 3
    const answer = { status: (reader.u8() % 6) * 100, etag: undefined, body: reader.rest() }
    const send = () => Promise.resolve(answer)
    const { signal } = new AbortController()
    try {
      if (what === 1) return `map ${typeof (await CLIENT.fetchMap(send, NOW_MS, undefined, signal))}`
      if (what === 2) return `published ${(await CLIENT.publish(send, new Uint8Array(1), signal)).length}`
      const { networkMs } = await CLIENT.fetchTime(send, signal)
      promise(networkMs === NOW_MS, 'only the time that was signed is believed')
      return 'time'
    } catch (error) {
      if (isFault(error) && error.code !== 'internal') return error.code
      throw error
    }
  },
}

export const DIRECTORY_TARGETS: readonly FuzzTarget[] = [httpServer, directoryAnswer]
