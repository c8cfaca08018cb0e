import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { ClientConfig } from '../../client/options.ts'
import { networkFileOf } from '../../shared/map/network.ts'
import { writeJson } from '../net/network-config.ts'
import { networkWith } from '../support/map-fixtures.ts'
import { until } from '../support/until.ts'
import { InterceptionLab, OWN_GID } from './support/interception-lab.ts'
import { LineProcess } from './support/line-process.ts'
import { ADDRESSES, whyNoHosts } from './support/two-hosts.ts'

const SPN = 'deploy/bin/spn'

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of ending the client are skipped: ${impossible}`)

describeHosts('the rules of a client that is told to stop', () => {
  const lab = new InterceptionLab()
  const folder = mkdtempSync(join(tmpdir(), 'spn-client-end-'))
  const clients: LineProcess[] = []
  let config: string

  beforeAll(() => {
    lab.hosts.start()
    const { network } = networkWith(1, 1)
    // Nobody answers there: the client waits for its first map all the time.
    const directories = network.directories.map((one) => ({ ...one, url: `http://${ADDRESSES.server[4]}` }))
    const networkFile = writeJson(folder, 'network.json', networkFileOf({ ...network, directories }))
    const client: ClientConfig = { networkFile, stateDir: join(folder, 'state'), intercept: {} }
    config = writeJson(folder, 'client.json', client)
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.kill()
    await command('off')
  })

  afterAll(async () => {
    await lab.hosts.close()
    rmSync(folder, { recursive: true })
  })

  const command = (word: string) => lab.hosts.run('client', SPN, [word, '--config', config], { gid: OWN_GID })

  function start(): LineProcess {
    const client = new LineProcess(lab.hosts.spawn('client', SPN, ['run', '--config', config], { gid: OWN_GID }))
    clients.push(client)
    return client
  }

  async function started(): Promise<LineProcess> {
    const client = start()
    await until(() => client.errors.includes('"client started"'))
    expect((await lab.rules()).length).toBeGreaterThan(0)
    return client
  }

  /** Looks again and again, without a pause, until there are rules. */
  async function firstRule(client: LineProcess): Promise<void> {
    while ((await lab.rules()).length === 0) if (client.child.exitCode !== null) throw new Error(client.errors)
  }

  test.each(['SIGTERM', 'SIGINT'] as const)('go also when %s comes while they are made', async (signal) => {
    const client = start()
    await firstRule(client)
    client.child.kill(signal)
    await client.ended()
    expect(client.child.exitCode).toBe(0)
    expect(await lab.rules()).toEqual([])
  })

  test('go also when ctrl-C is pressed twice', async () => {
    const client = await started()
    client.child.kill('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 20))
    client.child.kill('SIGINT')
    await client.ended()
    expect(client.child.exitCode).toBe(0)
    expect(await lab.rules()).toEqual([])
  })

  test('are not taken away by another command while it runs', async () => {
    const client = await started()
    const rules = await lab.rules()
    const { code, stderr } = await command('off')
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^spn: the daemon is running.*end it\b.*\n$/)])
    expect(await lab.rules()).toEqual(rules)
    client.child.kill('SIGTERM')
    await client.ended()
    expect(await lab.rules()).toEqual([])
  })

  test('that a killed client left are taken away by command', async () => {
    const client = await started()
    await client.kill()
    expect((await lab.rules()).length).toBeGreaterThan(0)
    expect((await command('off')).code).toBe(0)
    expect(await lab.rules()).toEqual([])
  })
})
