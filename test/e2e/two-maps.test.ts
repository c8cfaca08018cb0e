import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { makeDirectoryKey } from '../../directory/init.ts'
import { verifyContradiction } from '../../shared/map/map-contradiction.ts'
import type { NetworkFile } from '../../shared/map/network.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { freePort } from '../net/free-port.ts'
import { QUICK_DIRECTORY, UNLIMITED_HUB, writeJson } from '../net/network-config.ts'
import { Program } from '../support/program.ts'

/**
 * Two directories that each sign maps of their own, in a network that takes either signature: together they are a directory
 * that tells two stories.
 */
const ID = 'ab'.repeat(32)
const SAID = 'directories signed two hub maps of one epoch'

const folder = mkdtempSync(join(tmpdir(), 'spn-two-maps-'))
const networkFile = join(folder, 'network.json')
const started: Program[] = []

function start(name: string, command: readonly string[]): Program {
  const program = new Program(name, command)
  started.push(program)
  return program
}

beforeAll(async () => {
  const ports = await Promise.all([0, 1].map(() => freePort('127.0.0.1')))
  const directories: NetworkFile['directories'] = ports.map((port, i) =>
    makeDirectoryKey({
      ...{ stateDir: join(folder, `d${i}`), publicFile: join(folder, `part${i}.json`) },
      ...{ name: `d${i}`, url: `http://127.0.0.1:${port}` },
    }),
  )
  const file: NetworkFile = { name: 'two stories', id: ID, directories, threshold: 1, testNetwork: true }
  writeJson(folder, 'network.json', file)
  for (const [i, directory] of directories.entries()) {
    const config = writeJson(folder, `directory${i}.json`, {
      ...{ ...QUICK_DIRECTORY, stateDir: join(folder, `d${i}`), listen: `127.0.0.1:${ports[i]}` },
      networkFile: writeJson(folder, `network${i}.json`, { ...file, directories: [directory] }),
      // By which their maps differ, as those of liars would in their hubs.
      ...{ addressScope: ['127.0.0.0/8', ...(i === 0 ? [] : ['::1/128'])], geo: { overridesOnly: true } },
    })
    await start(`d${i}`, ['deploy/bin/spn-directory', 'run', '--config', config]).line('directory started')
  }
  for (const i of [1, 2, 3]) {
    const config = writeJson(folder, `hub${i}.json`, {
      ...{ networkFile, stateDir: join(folder, `hub${i}`), listen: [`127.2.0.${i}:${await freePort(`127.2.0.${i}`)}`] },
      ...{ operator: `operator ${i}`, roles: { exit4: true }, limits: UNLIMITED_HUB, drainSeconds: 0 },
    })
    start(`hub${i}`, ['deploy/bin/spn-hub', '--config', config])
  }
  await Promise.all(started.slice(2).map((hub) => hub.line('"hubs":3')))
}, 120_000)
afterAll(async () => {
  await Promise.all(started.map((program) => program.stop()))
  rmSync(folder, { recursive: true })
}, 60_000)

describe('directories that show two maps of one epoch', () => {
  test('are found out by hubs, which keep the proof', async () => {
    const network = readNetworkFile(networkFile)
    for (const i of [1, 2, 3]) {
      await started[i + 1]?.line(SAID)
      const { epoch, maps } = verifyContradiction(readFileSync(join(folder, `hub${i}`, 'contradiction')), network)
      expect(maps.map(({ content }) => content.epoch)).toEqual([epoch, epoch])
    }
  }, 120_000)

  test('are found out by a client, which says so in its status, also when it starts again', async () => {
    const port = await freePort('127.0.0.1')
    const config = writeJson(folder, 'client.json', {
      ...{ networkFile, stateDir: join(folder, 'client'), socks: `127.0.0.1:${port}`, geo: { overridesOnly: true } },
    })
    const client = start('client', ['deploy/bin/spn', 'run', '--config', config])
    await client.line(SAID)
    const status = start('status', ['deploy/bin/spn', 'status', '--config', config])
    expect(await status.exit()).toBe(0)
    const { map } = JSON.parse(status.output) as { map: { contradiction: { epoch: number; maps: string } } }
    expect(map.contradiction.maps).toMatch(/^[0-9a-f]{64} [0-9a-f]{64}$/)
    await client.stop()
    await start('client again', ['deploy/bin/spn', 'run', '--config', config]).line(SAID)
  }, 120_000)
})
