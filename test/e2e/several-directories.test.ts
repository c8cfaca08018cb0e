import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { makeDirectoryKey } from '../../directory/init.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { LinkNode } from '../../shared/link/link-node.ts'
import { signDescriptor } from '../../shared/map/descriptor.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { Network } from '../../shared/map/network.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { type HubMap, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { freePort } from '../net/free-port.ts'
import { writeJson } from '../net/network-config.ts'
import { descriptorOf } from '../support/map-fixtures.ts'
import { Program } from '../support/program.ts'

const N = 7
const K = 5
/** Phases have a seventh of it, which is enough for eight processes on two cores. */
const EPOCH_S = 10
const HERE = Uint8Array.of(127, 0, 0, 1)
/** Where the number of signatures stands in a signed map. */
const SIGNATURES_AT = 5

const folder = mkdtempSync(join(tmpdir(), 'spn-directories-'))
const networkFile = join(folder, 'network.json')
const programs: (Program | undefined)[] = []
const started: Program[] = []
/** Every map that any directory ever showed, by epoch and hash. */
const seen = new Map<number, Map<string, HubMap>>()
let ports: number[]
let network: Network
let hub: LinkNode

async function start(index: number): Promise<void> {
  const config = writeJson(folder, `directory${index}.json`, {
    ...{ networkFile, stateDir: join(folder, `d${index}`), listen: `127.0.0.1:${ports[index]}` },
    ...{ epochSeconds: EPOCH_S, mapLifeEpochs: 100, probeSeconds: 30, addressScope: ['127.0.0.0/8'] },
    geo: { overridesOnly: true },
    limits: { requestsPerMinutePerSender: 1_000_000 }, // all are on one computer, and an epoch is seconds
  })
  const program = new Program(`directory${index}`, ['deploy/bin/spn-directory', 'run', '--config', config])
  programs[index] = program
  started.push(program)
  await program.line('directory started', 60_000)
}

async function mapOf(index: number): Promise<HubMap | undefined> {
  const url = `http://127.0.0.1:${ports[index]}/v1/map`
  const answer = await directHttp({ method: 'GET', url, maxBytes: 1e6 }, AbortSignal.timeout(5_000)).catch(
    () => undefined,
  )
  if (answer?.status !== 200) return undefined
  expect(answer.body[SIGNATURES_AT]).toBeGreaterThanOrEqual(K)
  const map = new UnverifiedMap(answer.body).verify(network, Date.now())
  const ofEpoch = seen.get(map.content.epoch) ?? new Map<string, HubMap>()
  seen.set(map.content.epoch, ofEpoch.set(toHex(map.hash), map))
  return map
}

/** Waits until each of these shows a map with the hub, of this epoch or a later one; gives the newest epoch. */
async function mapsFrom(indexes: readonly number[], epoch: number): Promise<number> {
  const waiting = new Set(indexes)
  let newest = 0
  for (const until = Date.now() + 100_000; waiting.size > 0; ) {
    if (Date.now() > until) throw new Error(`no map of ${epoch}:\n${started.map(({ output }) => output).join('\n')}`)
    for (const index of indexes) {
      const map = await mapOf(index)
      if (map === undefined || map.content.epoch < epoch || map.content.hubs.length === 0) continue
      newest = Math.max(newest, map.content.epoch)
      waiting.delete(index)
    }
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  return newest
}

beforeAll(async () => {
  ports = await Promise.all(Array.from({ length: N }, () => freePort('127.0.0.1')))
  const parts = ports.map((_, i) => join(folder, `part${i}.json`))
  for (const [i, publicFile] of parts.entries()) {
    const url = `http://127.0.0.1:${ports[i]}`
    makeDirectoryKey({ stateDir: join(folder, `d${i}`), publicFile, name: `d${i}`, url })
  }
  const joined = new Program('join', [
    ...['deploy/bin/spn-directory', 'join', '--network-file', networkFile, '--network', 'seven'],
    ...['--threshold', String(K), '--parts', parts.join(','), '--test-network', 'yes'],
  ])
  expect(await joined.exit(60_000)).toBe(0)
  network = readNetworkFile(networkFile)
  await Promise.all(ports.map((_, i) => start(i)))
  const key = HubKey.generate()
  const port = await freePort('127.0.0.1')
  hub = new LinkNode(
    {
      ...{ seed: key.toSeed(), networkId: network.id, listen: [{ ip: HERE, port }], listenNoise: [] },
      ...{ maxCircuitsPerLink: 1, maxLinks: 20, maxHeldBytes: 1024 * 1024, agent: 'spn' },
    },
    { clock: systemClock, onCircuit: (_, end) => end.abort() },
  )
  await hub.start()
  const now = Math.floor(Date.now() / 1000)
  const times = { sequence: now, published: now, expires: now + 3_600 }
  const descriptor = descriptorOf(key, { ...times, linkAddresses: [{ ip: HERE, port }] })
  const client = new DirectoryClient(network, { clock: systemClock, random: systemRandom })
  const signed = signDescriptor(descriptor, key, network.id)
  expect(await client.publish(directHttp, signed, AbortSignal.timeout(20_000))).toHaveLength(N)
}, 150_000)
afterAll(async () => {
  await Promise.all(started.map((program) => program.stop()))
  await hub?.close()
  rmSync(folder, { recursive: true })
}, 60_000)

describe('seven directories', () => {
  test('make maps that five or more signed; go on with two stopped; and with one that was killed and started again', async () => {
    const all = ports.map((_, i) => i)
    const first = await mapsFrom(all, 1)
    await Promise.all([programs[0], programs[1]].map((program) => program?.stop()))
    const five = all.slice(2)
    const second = await mapsFrom(five, first + 2)
    await programs[2]?.kill()
    await start(2)
    const third = await mapsFrom(five, second + 3)
    expect(third).toBeGreaterThanOrEqual(first + 5)

    for (const [epoch, maps] of seen) expect([epoch, maps.size]).toEqual([epoch, 1])
    const maps = [...seen].toSorted(([a], [b]) => a - b).flatMap(([, ofEpoch]) => [...ofEpoch.values()])
    const following = maps.filter(({ content }, i) => content.epoch - 1 === maps[i - 1]?.content.epoch)
    expect(following.length).toBeGreaterThan(1)
    for (const { content } of following) {
      const [before] = seen.get(content.epoch - 1)?.keys() ?? []
      expect(toHex(content.previousHash)).toBe(before)
    }
    for (const program of started) expect(program.output).not.toMatch(/"level":"error"/)
  }, 400_000)
})
