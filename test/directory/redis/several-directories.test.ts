import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { joinDirectories, makeDirectoryKey } from '../../../directory/init.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import { readNetworkFile } from '../../../shared/map/network-file.ts'
import { type HubMap, UnverifiedMap } from '../../../shared/map/signed-map.ts'
import { freePort } from '../../net/free-port.ts'
import { writeJson } from '../../net/network-config.ts'
import { Program } from '../../support/program.ts'
import { RealHub } from '../../support/real-hub.ts'
import { eventually, RedisServers } from '../../support/redis-servers.ts'

/** Three directories that all must sign; the first one is two replicas, of which only one is at its url. */
const NAMES = ['a0', 'b', 'c', 'a1'] as const
const EPOCH_S = 10
const HOST = '127.0.0.1'

const folder = mkdtempSync(join(tmpdir(), 'spn-replicated-'))
const networkFile = join(folder, 'network.json')
const programs = new Map<string, Program>()
const ports = new Map<string, number>()
/** Every map that any of them showed: hashes by epoch. */
const seen = new Map<number, Set<string>>()
let servers: RedisServers
let hub: RealHub

async function start(name: string): Promise<void> {
  const config = writeJson(folder, `${name}.json`, {
    ...{ networkFile, stateDir: join(folder, name), listen: `${HOST}:${ports.get(name)}`, epochSeconds: EPOCH_S },
    ...{ mapLifeEpochs: 100, probeSeconds: 30, addressScope: ['127.0.0.0/8'], geo: { overridesOnly: true } },
    ...(name.startsWith('a') ? { redis: { urls: [servers.url] } } : {}),
  })
  const program = new Program(name, ['deploy/bin/spn-directory', 'run', '--config', config])
  programs.set(name, program)
  await program.line('directory started', 120_000)
}

const urlOf = (name: string): string => `http://${HOST}:${ports.get(name)}`

async function mapOf(name: string): Promise<HubMap | undefined> {
  const answer = await fetch(`${urlOf(name)}/v1/map`)
  if (!answer.ok) return undefined
  const map = new UnverifiedMap(new Uint8Array(await answer.arrayBuffer())).verify(
    readNetworkFile(networkFile),
    Date.now(),
  )
  seen.set(map.content.epoch, (seen.get(map.content.epoch) ?? new Set()).add(toHex(map.hash)))
  return map
}

/** Waits until all of these show a map with the hub, of this epoch or a later one; the newest. */
async function mapFrom(names: readonly string[], epoch: number): Promise<number> {
  let newest = 0
  await eventually(async () => {
    const maps = await Promise.all(names.map(mapOf))
    newest = Math.max(...maps.map((map) => map?.content.epoch ?? 0))
    return maps.every((map) => map !== undefined && map.content.epoch >= epoch && map.content.hubs.length === 1)
  }, `a map of epoch ${epoch}`)
  return newest
}

beforeAll(async () => {
  servers = await RedisServers.start({ replicas: 1 })
  for (const name of NAMES) ports.set(name, await freePort(HOST))
  const parts = NAMES.slice(0, 3).map((name) => {
    const publicFile = join(folder, `${name}-part.json`)
    makeDirectoryKey({ stateDir: join(folder, name), publicFile, name, url: urlOf(name) })
    return publicFile
  })
  joinDirectories({ networkFile, network: 'three', threshold: 3, parts, testNetwork: true }, systemRandom)
  cpSync(join(folder, 'a0'), join(folder, 'a1'), { recursive: true })
  await Promise.all(NAMES.map(start))
  hub = await RealHub.start(readNetworkFile(networkFile).id)
  const signed = Buffer.from(hub.signed(1))
  // One replica is enough for both.
  for (const name of ['a1', 'b', 'c']) {
    const headers = { 'content-type': 'application/octet-stream' }
    expect((await fetch(`${urlOf(name)}/v1/descriptors`, { method: 'POST', headers, body: signed })).status).toBe(202)
  }
})
afterAll(async () => {
  await hub?.close()
  await Promise.all([...programs.values()].map((program) => program.stop()))
  await servers?.stop()
  rmSync(folder, { recursive: true })
})

test('directories make maps with one of two replicas, and go on when the one that spoke is killed, without two words of it', async () => {
  const first = await mapFrom(NAMES, 1)
  const speaker = ['a0', 'a1'].find((name) => programs.get(name)?.output.includes('this replica publishes')) as string
  const other = speaker === 'a0' ? 'a1' : 'a0'
  await programs.get(speaker)?.kill()
  const second = await mapFrom([other, 'b', 'c'], first + 1)
  await start(speaker)
  await mapFrom(NAMES, second + 1)
  for (const name of NAMES) {
    const { round } = (await (await fetch(`${urlOf(name)}/healthz`)).json()) as { round: { proofs: number } }
    expect([name, round.proofs]).toEqual([name, 0])
  }
  expect([...programs.values()].map(({ output }) => output).join('\n')).not.toContain('two things')
  for (const [epoch, hashes] of seen) expect([epoch, hashes.size]).toEqual([epoch, 1])
})
