import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { toHex, utf8 } from '../../shared/base/bytes.ts'
import { FAULTS } from '../../shared/base/fault-codes.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { CELL_TYPES } from '../../shared/cell/cell.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { LoopbackDns } from '../support/dns-loopback.ts'
import { ExitScene } from '../support/exit-scene.ts'
import { flipBit } from '../support/hex.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { until } from '../support/until.ts'
import {
  leaks,
  type Secret,
  secretAddress,
  secretBytes,
  secretPort,
  secretText,
  unknownRuns,
} from './support/secret.ts'
import { TalkativeNetwork } from './support/talkative-network.ts'

/*
 * Somebody reads the logs of all programs, at the level at which they say most. No line may name a user, a destination, what
 * was sent, or a key, however it is written; also not when a connection fails, and why it fails.
 */

const HUBS = 4
const NAME = 'a-most-peculiar-name.test'
const NO_NAME = 'a-name-that-nobody-has.test'
const PAYLOAD = 'the-words-that-only-the-two-ends-know'
const USER = '127.99.3.7'
const SERVER = '127.77.13.5'
const CLOSED = '127.77.13.6'
const PRIVATE = '10.77.13.5'
const SIX = '2a0d:77:13::5'
/** To hubs and directories the user is who dials them, and on loopback that is this address. */
const DIALLER = '127.0.0.1'

const spn = new TalkativeNetwork()
const dns = new LoopbackDns()
const server = net.createServer((socket) => {
  socket.on('error', () => {})
  socket.pipe(socket)
})
let port: number
let replies: Record<string, number>
let logs: Map<string, string>
let secrets: Secret[]
let ofTheUser: Secret[]
let known: string[]

/** SOCKS reply for a connection to this place, with what came back if it was made. */
async function connect(host: string, to: number): Promise<{ reply: number; socket: net.Socket; text: () => string }> {
  const socket = net.connect({ host: '127.0.0.1', port: spn.socksPort, localAddress: USER })
  let bytes = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
  })
  const ip = parseIp(host)
  const kind = ip === undefined ? [3, host.length, ...utf8(host)] : [ip.length === 4 ? 1 : 4, ...ip]
  socket.write(Uint8Array.of(5, 1, 0))
  socket.write(Uint8Array.of(5, 1, 0, ...kind, to >> 8, to & 255))
  await new Promise<void>((resolve, reject) => {
    socket.on('data', () => bytes.length >= 12 && resolve())
    socket.on('close', () => reject(new Error(`no answer for ${host}`)))
  })
  return { reply: bytes[3] as number, socket, text: () => bytes.subarray(12).toString() }
}

async function exchange(host: string, to: number): Promise<{ reply: number; socket: net.Socket }> {
  const { reply, socket, text } = await connect(host, to)
  if (reply === 0) {
    const came = new Promise<void>((resolve) => socket.on('data', () => text().includes(PAYLOAD) && resolve()))
    socket.write(PAYLOAD)
    await came
  }
  return { reply, socket }
}

async function useEverything(): Promise<void> {
  const [hub] = (spn.programs.get('hub0')?.output.match(/127\.1\.0\.\d/) ?? ['127.1.0.1']) as [string]
  const places: Record<string, readonly [string, number]> = {
    'an address': [SERVER, port],
    'a name': [NAME, port],
    'a closed port': [CLOSED, port],
    'a name that is not there': [NO_NAME, port],
    'a hub': [hub, port],
    'a private address': [PRIVATE, port],
    'a port that no exit allows': [SERVER, 25],
    'an address of a family without exit': [SIX, port],
  }
  replies = {}
  for (const [what, [host, to]] of Object.entries(places)) {
    const { reply, socket } = await exchange(host, to)
    replies[what] = reply
    socket.end()
  }
  const cutByApp = await exchange(SERVER, port)
  cutByApp.socket.resetAndDestroy()
  const { socket } = await exchange(SERVER, port)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const client = spn.programs.get('client')!
  const home = /"hub":"([0-9a-f]{64})"/.exec(await client.line('home link up'))?.[1] as string
  const homeHub = [...spn.programs.values()].find(({ output }) => output.includes(`"id":"${home}"`))!
  await homeHub.kill()
  await client.line('home link lost')
  await closed
}

beforeAll(async () => {
  dns.names = { [NAME]: [SERVER] }
  const nameServer = await dns.start()
  await new Promise<void>((resolve) => server.listen({ host: SERVER, port: 0 }, resolve))
  port = (server.address() as net.AddressInfo).port
  await spn.start(HUBS, nameServer)
  await useEverything()
  const keys = [...spn.keys()]
  await spn.stop()
  logs = new Map([...spn.programs].map(([name, { output }]) => [name, output]))
  secrets = [
    ...[NAME, NO_NAME, PAYLOAD].map((text) => secretText(text, text)),
    ...[USER, SERVER, CLOSED, PRIVATE, SIX].map((text) => secretAddress(text, parseIp(text)!)),
    secretPort('port of the destination', port),
    ...keys.map(([name, bytes]) => secretBytes(name, bytes)),
  ]
  ofTheUser = [secretAddress('who dials', parseIp(DIALLER)!)]
  known = keys.flatMap(([name, bytes]) => {
    if (name.endsWith('identity.key')) return [toHex(HubKey.fromSeed(bytes).publicBytes)]
    return name.endsWith('directory.key') ? [toHex(DirectoryKey.fromSeed(bytes).publicBytes)] : []
  })
})

afterAll(async () => {
  await spn.stop()
  spn.remove()
  dns.close()
  server.close()
})

describe('the logs of a network in use', () => {
  test('come from connections that were made, and that failed for all kinds of reasons', () => {
    expect(replies).toEqual({
      ...{ 'an address': 0, 'a name': 0, 'a closed port': 5, 'a name that is not there': 4, 'a hub': 2 },
      ...{ 'a private address': 2, 'a port that no exit allows': 3, 'an address of a family without exit': 3 },
    })
    expect(dns.asked.map(({ name }) => name)).toEqual(expect.arrayContaining([NAME, NO_NAME]))
    expect([...logs.keys()]).toEqual(['directory', 'hub0', 'hub1', 'hub2', 'hub3', 'client'])
    for (const log of logs.values()) expect(log.split('\n').length).toBeGreaterThan(1)
    expect(secrets).toHaveLength(9 + 3 * HUBS + 1)
  })

  test.each(['directory', 'hub0', 'hub1', 'hub2', 'hub3', 'client'])('name nothing that is secret (%s)', (name) => {
    expect(leaks(logs.get(name) as string, secrets)).toEqual([])
  })

  test.each(['directory', 'hub0', 'hub1', 'hub2', 'hub3'])('do not say who dialled (%s)', (name) => {
    expect(leaks(logs.get(name) as string, ofTheUser)).toEqual([])
  })

  test('hold no digits that could be a key, but for the ids of hubs and directory', () => {
    expect(known).toHaveLength(HUBS + 1)
    for (const [name, log] of logs) expect([name, unknownRuns(log, known)]).toEqual([name, []])
  })

  test('would have been caught: each secret, in each spelling, in any line of any log', () => {
    for (const [name, log] of logs) {
      const lines = log.split('\n')
      for (const secret of [...secrets, ...ofTheUser]) {
        for (const { sample } of secret.spellings) {
          const planted = lines.with(lines.length >> 1, JSON.stringify({ level: 'debug', message: `to ${sample}.` }))
          const text = planted.join('\n').replaceAll('\\"', '"')
          expect([name, sample, leaks(text, [secret])]).toEqual([name, sample, [secret.what]])
        }
      }
    }
    for (const text of ['ab'.repeat(16), 'Ab+/'.repeat(11)]) expect(unknownRuns(`key ${text}`, known)).toEqual([text])
  })
})

describe('what a hub counts', () => {
  test('has the codes of faults and the roles of a hub as labels, and nothing of who or where', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    network.open('client', ['a', 'b'])
    network.open('client', ['a', 'a'])
    network.open('client', ['a', 'b'], { granule: 1 })
    network.tamper = (header, frame) => [header.type === CELL_TYPES.create ? flipBit(frame, 20_000) : frame]
    await network.run()
    network.tamper = (_header, frame) => [frame]
    network.open('client', ['a', 'b'])
    await network.run()
    const scene = new ExitScene()
    const { circuit, connection } = scene.open()
    connection.connect({ kind: 'name', name: NAME, port: 443 })
    await until(() => circuit.refused)
    const all = [network.hub('a').metrics, network.hub('b').metrics, scene.metrics].flatMap((metrics) => [
      ...metrics.createsAccepted.entries.keys(),
      ...metrics.createsRefused.entries.keys(),
      ...metrics.exitsRefused.entries.keys(),
    ])
    expect(new Set(all).size).toBeGreaterThan(3)
    expect(all.filter((label) => label !== 'relay' && label !== 'exit' && !(label in FAULTS))).toEqual([])
  })
})
