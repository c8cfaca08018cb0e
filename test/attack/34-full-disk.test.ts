import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { systemClock } from '../../shared/base/clock.ts'
import { readOptions } from '../../shared/base/options.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { LinkNode } from '../../shared/link/link-node.ts'
import { signDescriptor } from '../../shared/map/descriptor.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import { type Network, networkOf, networkSchema } from '../../shared/map/network.ts'
import { freePort } from '../net/free-port.ts'
import { QUICK_DIRECTORY, writeJson } from '../net/network-config.ts'
import { descriptorOf } from '../support/map-fixtures.ts'
import { Program } from '../support/program.ts'

const HERE = Uint8Array.of(127, 0, 0, 1)
const key = HubKey.generate()

let folder: string
let url: string
let network: Network
let hub: LinkNode
let hubPort: number
let directory: Program
let sequence = 1

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spn-full-'))
  const [port, own] = [await freePort('127.0.0.1'), await freePort('127.0.0.1')]
  hubPort = own
  url = `http://127.0.0.1:${port}`
  const [networkFile, stateDir] = [join(folder, 'network.json'), join(folder, 'directory')]
  const flags = ['--state-dir', stateDir, '--network-file', networkFile, '--test-network', 'yes']
  const init = new Program('init', [
    'deploy/bin/spn-directory',
    'init',
    ...flags,
    '--network',
    'full',
    '--name',
    'd',
    '--url',
    url,
  ])
  await init.exit()
  network = networkOf(readOptions(networkSchema, networkFile))
  const config = writeJson(folder, 'directory.json', {
    ...{ ...QUICK_DIRECTORY, networkFile, stateDir, listen: `127.0.0.1:${port}`, geo: { overridesOnly: true } },
    addressScope: ['127.0.0.0/8'],
  })
  directory = new Program('directory', ['deploy/bin/spn-directory', 'run', '--config', config])
  hub = new LinkNode(
    {
      ...{ seed: key.toSeed(), networkId: network.id, listen: [{ ip: HERE, port: hubPort }], listenNoise: [] },
      ...{ maxCircuitsPerLink: 1, maxLinks: 10, maxHeldBytes: 1024 * 1024, agent: 'spn' },
    },
    { clock: systemClock, onCircuit: (_, end) => end.abort() },
  )
  await hub.start()
  await eventually(async () => (await ask('/healthz'))?.status === 200)
  await publish()
  await eventually(async () => (await ask('/readyz'))?.status === 200)
}, 120_000)
afterAll(async () => {
  limitFiles('unlimited')
  await directory.stop()
  await hub.close()
  rmSync(folder, { recursive: true })
})

function ask(path: string) {
  return directHttp({ method: 'GET', url: url + path, maxBytes: 100_000 }, AbortSignal.timeout(5_000)).catch(
    () => undefined,
  )
}

/** Asks until it is so; the limit of the test is the only one. */
async function eventually(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await sleep(100)
}

/** A new descriptor of the hub. */
async function publish(): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const linkAddresses = [{ ip: HERE, port: hubPort }]
  const descriptor = descriptorOf(key, {
    sequence: now + sequence++,
    published: now,
    expires: now + 3_600,
    linkAddresses,
  })
  const client = new DirectoryClient(network, { clock: systemClock, random: systemRandom })
  await client.publish(directHttp, signDescriptor(descriptor, key, network.id), AbortSignal.timeout(20_000))
}

/** From now on no file of the directory grows beyond this: what a full disk does. */
function limitFiles(bytes: string): void {
  const { status } = spawnSync('prlimit', ['--pid', String(directory.pid), `--fsize=${bytes}:unlimited`])
  expect(status).toBe(0)
}

const epochOf = async (): Promise<number> =>
  JSON.parse(Buffer.from((await ask('/v1/head'))!.body).toString()).epoch as number

test('a directory whose disk is full says so, goes on with its map, and with its work when there is room again', async () => {
  limitFiles('0')
  await eventually(async () => (await ask('/readyz'))?.status === 503)
  expect(JSON.parse(Buffer.from((await ask('/readyz'))!.body).toString())).toEqual({
    ok: false,
    map: true,
    store: false,
  })
  const epoch = await epochOf()
  await expect(publish()).rejects.toMatchObject({ code: 'directory-refused' })
  await directory.line('map not published')
  expect([(await ask('/healthz'))?.status, (await ask('/v1/map'))?.status, await epochOf()]).toEqual([200, 200, epoch])
  limitFiles('unlimited')
  await eventually(async () => (await ask('/readyz'))?.status === 200 && (await epochOf()) > epoch)
  await publish()
}, 180_000)
