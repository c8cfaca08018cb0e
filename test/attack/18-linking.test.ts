import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { HomeLink } from '../../client/home-link.ts'
import { HomeStore } from '../../client/home-store.ts'
import { concatBytes, toHex } from '../../shared/base/bytes.ts'
import { silentLog } from '../../shared/base/log.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { capacityOf } from '../../shared/cell/cell.ts'
import { decodeMessages } from '../../shared/cell/message.ts'
import { ClientCircuit } from '../../shared/circuit/client-circuit.ts'
import { PING_IDLE_MS, SWITCH_DELAY_MS } from '../../shared/circuit/timers.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { NO_BINDING } from '../../shared/crypto/handshake.ts'
import { FRAME_TYPES } from '../../shared/link/frame.ts'
import { PING_AFTER_MS } from '../../shared/link/link.ts'
import { createLinkCertificate } from '../../shared/link/link-certificate.ts'
import { libp2pKeyFromSeed } from '../../shared/link/peer.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import type { HubMap } from '../../shared/map/signed-map.ts'
import { LOOPBACK, NODE_NETWORK_ID } from '../support/link-nodes.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { mapHubOf } from '../support/map-fixtures.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { cellOf, RawExit, WEB } from '../support/raw-circuit.ts'
import { RecordingProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { helloFrame, type RawLink, RawLinks, rawIdentity } from './support/raw-link.ts'

/*
 * Two home hubs, or one that a client comes back to, put together all that they saw of two sessions: the TLS handshake as it
 * crossed the wire, the certificate, every byte inside. What the two have in common must be what any stranger's session has too.
 */

/** Bytes in a row that are no accident when they come twice. */
const MARK_BYTES = 6
/** As many, if a stranger has them too, are part of a format. */
const KNOWN_BYTES = 3
const CIRCUITS = 5

const raws = new RawLinks()
const proxies: RecordingProxy[] = []
const folders: string[] = []
let homes: EvilHome[]

interface EvilHome {
  readonly hub: KeyedHub
  readonly links: RawLink[]
  readonly proxy: RecordingProxy
}

beforeEach(async () => {
  homes = [await evilHome(1), await evilHome(2)]
})

afterEach(async () => {
  await raws.close()
  for (const proxy of proxies.splice(0)) await proxy.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** A hub that notes everything. */
async function evilHome(seed: number): Promise<EvilHome> {
  const identity = await rawIdentity(seed)
  const links: RawLink[] = []
  const port = await raws.listen(identity, (link) => {
    links.push(link)
    link.send(helloFrame())
  })
  const proxy = new RecordingProxy(port)
  proxies.push(proxy)
  const address = { ip: LOOPBACK, port: await proxy.start() }
  const circuitKey = new CircuitPublicKey(CircuitKeyPair.generate().publicBytes)
  return { hub: mapHubOf(identity.id, { linkAddresses: [address], circuitKey }), links, proxy }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spn-linking-'))
  folders.push(folder)
  return folder
}

/** A session: the client starts, opens circuits, is silent until it sends a PING, and stops. All that its home saw of it. */
async function session(folder: string, home: EvilHome, now: number): Promise<{ seen: Uint8Array; names: string[] }> {
  const clock = new ManualClock(now)
  const map = {
    content: { hubs: [home.hub] },
    hub: (id: Uint8Array) => (toHex(id) === home.hub.key ? home.hub : undefined),
  }
  const homeLink = new HomeLink({
    ...{ networkId: NODE_NETWORK_ID, clock, random: systemRandom, log: silentLog, homes: new HomeStore(folder) },
    ...{
      families: () => new Set([4, 6] as const),
      ownLocation: () => undefined,
      map: () => map as unknown as HubMap,
      transport: 'tls',
    },
    ...{ onUp: () => {}, onDown: () => {} },
  })
  homeLink.connect()
  const { handle } = await homeLink.ready(AbortSignal.timeout(15_000))
  const linkBinding = handle.binding ?? NO_BINDING
  const link = home.links.at(-1) as RawLink
  for (let i = 0; i < CIRCUITS; i++) {
    const circuit = new ClientCircuit(
      {
        ...{ networkId: NODE_NETWORK_ID, clientKey: handle.ownKey, linkBinding, granule: 1 },
        ...{ path: [{ hubId: home.hub.id, key: home.hub.circuitKey }], target: WEB, targetAfterAnswer: false },
      },
      handle.link.openCircuit(),
      { opened() {}, data() {}, finished() {}, writable() {}, closed() {} },
      clock.now(),
    )
    circuit.write(Uint8Array.of(1, 2, 3))
  }
  await until(() => link.ofType(FRAME_TYPES.cell).length === CIRCUITS)
  clock.advance(PING_AFTER_MS)
  await until(() => link.ofType(FRAME_TYPES.ping).length === 1)
  const certificate = new Uint8Array(link.socket.getPeerCertificate().raw)
  const { publicKey } = link.socket.getPeerX509Certificate()!
  await homeLink.close()
  const wire = concatBytes(...(home.proxy.connections.at(-1)?.toServer ?? []))
  const clientHello = wire.subarray(0, 5 + new DataView(wire.buffer).getUint16(3)) // what follows is sealed
  return {
    seen: concatBytes(clientHello, certificate, ...link.frames.map(({ frame }) => frame)),
    names: [
      toHex(handle.ownKey),
      toHex(linkBinding),
      publicKey.export({ format: 'pem', type: 'spki' }).toString(),
      ...link.ofType(FRAME_TYPES.create).map((frame) => `circuit ${toHex(frame.subarray(4, 8))}`),
      ...link.ofType(FRAME_TYPES.ping).map((frame) => `ping ${toHex(frame.subarray(8))}`),
    ],
  }
}

/** Certificates of other clients: signatures in them have one of a few lengths, which two may share by chance. */
async function certificatesOfOthers(): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for (let i = 0; i < 200; i++) {
    const { cert } = await createLinkCertificate(await libp2pKeyFromSeed(systemRandom.bytes(32)))
    all.push(new Uint8Array(new X509Certificate(cert).raw))
  }
  return all
}

/** All runs of `length` bytes. */
function runsOf(bytes: Uint8Array, length: number): Set<string> {
  const text = Buffer.from(bytes).toString('latin1')
  const runs = new Set<string>()
  for (let at = 0; at + length <= text.length; at++) runs.add(text.slice(at, at + length))
  return runs
}

/**
 * The marks that these two have in common, and the strangers have not. A mark with three bytes in a row that strangers know is
 * constant bytes of a format with a random byte or two beside them, equal by chance: of a real mark other windows are left.
 */
function inCommon(one: Uint8Array, other: Uint8Array, strangers: Uint8Array): string[] {
  const [others, known] = [runsOf(other, MARK_BYTES), runsOf(strangers, KNOWN_BYTES)]
  return [...runsOf(one, MARK_BYTES)]
    .filter((mark) => others.has(mark) && [0, 1, 2, 3].every((at) => !known.has(mark.slice(at, at + KNOWN_BYTES))))
    .map((mark) => Buffer.from(mark, 'latin1').toString('hex'))
}

describe('two sessions of one client', () => {
  test('have nothing in common that others have not: after a restart, and at another home', async () => {
    const [a, b] = homes as [EvilHome, EvilHome]
    const folder = newFolder()
    const now = 1_234_567
    const first = await session(folder, a, now)
    const again = await session(folder, a, now)
    const elsewhere = await session(folder, b, now)
    const stranger = await session(newFolder(), a, 7_654_321)
    const others = concatBytes(stranger.seen, ...(await certificatesOfOthers()))
    expect(inCommon(first.seen, again.seen, others)).toEqual([])
    expect(inCommon(first.seen, elsewhere.seen, others)).toEqual([])
    const names = [first, again, elsewhere].flatMap((one) => one.names)
    expect(names).toHaveLength(3 * (4 + CIRCUITS))
    expect(new Set(names).size).toBe(names.length)
    // A mark would be found: what one session has in common with itself is much.
    expect(inCommon(first.seen, first.seen, others).length).toBeGreaterThan(1_000)
  })
})

describe('two circuits of one client', () => {
  test('that are quiet at the same time send PINGs in which their exits find nothing in common', async () => {
    const network = new MemoryNetwork(['a', 'b', 'c'])
    const exits = ['b', 'c'].map((name) => new RawExit(network.hub(name)))
    const clients = ['b', 'c'].map((name) => network.open('client', ['a', name]))
    await network.run()
    for (const exit of exits) exit.send(cellOf({ type: 'opened', family: 4 }))
    await network.run()
    await network.pass(SWITCH_DELAY_MS, clients)
    await network.pass(PING_IDLE_MS, clients)
    const tokens = exits.map(({ received }) =>
      received
        .flatMap(({ plain }) => decodeMessages(plain!.subarray(0, capacityOf(1))) ?? [])
        .flatMap((message) => (message.type === 'ping' ? [message.token] : [])),
    )
    expect(tokens.map((list) => list.length)).toEqual([1, 1])
    const [[one], [other]] = tokens as [[bigint], [bigint]]
    const apart = one > other ? one - other : other - one
    expect(apart).toBeGreaterThan(BigInt(PING_IDLE_MS) * 1_000_000n) // two clocks of one program are not so far apart
  })
})
