import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mayHaveLeft } from '../../storm/storm-judge.ts'
import { ROOT } from '../../support/program.ts'
import { type Capture, capture } from '../../world/capture.ts'
import { serveHttp } from '../../world/destinations.ts'
import type { HostProcess } from '../../world/host-process.ts'
import { SpnWorld } from '../../world/spn-world.ts'
import { describeWorld } from '../../world/support.ts'

const SPN = join(ROOT, 'deploy/bin/spn')
const SENDERS = join(ROOT, 'test/storm/senders.mjs')
const BREAK_WORKERS = join(ROOT, 'test/attack/support/break-workers.mjs')
const ACCEPT_ALL = join(ROOT, 'test/attack/support/accept-all.mjs')
const ADDON = join(ROOT, 'client/native/build/Release/spn_native.node')
const OWN_GID = 7117
const APP_GID = 1000
/** A map of the test is over soon: so many epochs of two seconds. */
const MAP_LIFE_EPOCHS = 15
/** Long enough for programs that want out all the time to try often. */
const LISTEN_MS = 1_500
const GIVE_UP_MS = 100_000
const EXIT_FAILED = 1
const EXIT_USAGE = 2

interface Status {
  readonly protection: {
    readonly state: string
    readonly fault?: string
    readonly reason?: string
    readonly repair?: string
  }
  readonly rules: { readonly mistakes: readonly string[] }
}

let spn: SpnWorld
let wire: Capture
let client: HostProcess | undefined
let rulesFile: string
const senders: HostProcess[] = []

const RULES = 'global:\n  rules: |\n    - 203.0.113.0/24\n  default: tunnel\n'
const BROKEN_RULES = 'global:\n  rules: |\n    allow everything\n'
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Ends with the status of this computer once it passes. */
async function statusOf(passes: (status: Status) => boolean): Promise<Status> {
  const giveUpAt = performance.now() + GIVE_UP_MS
  for (;;) {
    const status = (await spn.ask('status')) as Status
    if (passes(status)) return status
    if (performance.now() > giveUpAt) throw new Error(`the status stays ${JSON.stringify(status)}`)
    await sleep(200)
  }
}

async function start(env: Readonly<Record<string, string>> = {}): Promise<HostProcess> {
  const args = ['run', '--keep-rules', '--config', spn.clientConfig]
  client = spn.user.spawn(SPN, args, { gid: OWN_GID, env })
  await client.line(/home link up/, GIVE_UP_MS)
  await statusOf(({ protection }) => protection.state === 'protected')
  return client
}

/** A start that can not succeed: what the user is told. */
async function failedStart(): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const args = ['run', '--keep-rules', '--config', spn.clientConfig]
  const { code, stderr } = await spn.user.run(SPN, args, { gid: OWN_GID, timeoutMs: GIVE_UP_MS })
  return { code, stderr }
}

async function web(): Promise<boolean> {
  const url = `http://${spn.destination('paris').ipv4}/address`
  return (await spn.user.run('curl', ['-sS', '--max-time', '20', url], { gid: APP_GID })).code === 0
}

async function webWorks(): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_MS
  while (!(await web())) if (performance.now() > giveUpAt) throw new Error('no page comes through the network')
}

async function withContent(file: string, content: string, during: () => Promise<void>): Promise<void> {
  const before = readFileSync(file)
  writeFileSync(file, content)
  try {
    await during()
  } finally {
    writeFileSync(file, before)
  }
}

describeWorld(describe, 'an error (row 54) of a computer whose programs want out all the time', () => {
  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{ hubs: ['berlin', 'london', 'newYork'], destinations: ['paris'], userCity: 'warsaw' },
      directory: { mapLifeEpochs: MAP_LIFE_EPOCHS },
      rules: () => RULES,
    })
    rulesFile = join(spn.world.folder, 'rules.yaml')
    await serveHttp(spn.destination('paris'))
    const { ipv4, ipv6 } = spn.destination('paris')
    senders.push(spn.user.spawn(process.execPath, [SENDERS, ipv4, ipv6], { gid: APP_GID }))
    for (const address of [ipv4, ipv6]) senders.push(spn.user.spawn('ping', ['-q', '-i', '0.05', address]))
    // They are heard as long as they may be.
    wire = await capture(spn.world, spn.user)
    await sleep(LISTEN_MS)
    expect(mayHaveLeft(await wire.stop(), spn, []).outside).toBeGreaterThan(20)
    // As a computer starts: closed before any network is up.
    await spn.user.mustRun(SPN, ['block', '--config', spn.clientConfig], { gid: OWN_GID })
  })

  afterAll(() => spn?.close())

  beforeEach(async () => {
    wire = await capture(spn.world, spn.user)
  })

  afterEach(async () => {
    await sleep(LISTEN_MS)
    expect(senders.every(({ running }) => running)).toBe(true)
    await client?.stop()
    client = undefined
    expect(mayHaveLeft(await wire.stop(), spn, [])).toMatchObject({ outside: 0, examples: [] })
  })

  test('of the configuration, the rules or the state ends the start, and says what is wrong', async () => {
    await withContent(spn.clientConfig, '{ "networkFile": ', async () => {
      const { code, stderr } = await failedStart()
      expect([code, stderr]).toEqual([EXIT_USAGE, expect.stringContaining('it is not JSON')])
    })
    await withContent(rulesFile, BROKEN_RULES, async () => {
      const { code, stderr } = await failedStart()
      expect([code, stderr]).toEqual([EXIT_USAGE, expect.stringMatching(/rules\.yaml:3/)])
    })
    await start()
    await client?.stop()
    await withContent(join(spn.clientStateDir, 'homes'), 'no hub ids', async () => {
      const { code, stderr } = await failedStart()
      expect([code, stderr]).toEqual([EXIT_FAILED, expect.stringMatching(/a state file is damaged \(file: .*homes\)/)])
    })
  })

  test('of rules that are changed while it runs leaves those from before in force, and the status tells it', async () => {
    await start()
    await webWorks()
    await withContent(rulesFile, BROKEN_RULES, async () => {
      const { rules, protection } = await statusOf(({ rules }) => rules.mistakes.length > 0)
      expect(rules.mistakes).toEqual([expect.stringMatching(/^rules\.yaml:3: /)])
      expect(protection.state).toBe('protected')
      await webWorks()
    })
    await statusOf(({ rules }) => rules.mistakes.length === 0)
  })

  test('of a queue that somebody else serves ends the start; he can let nothing out', async () => {
    const other = spn.user.spawn(process.execPath, [ACCEPT_ALL, ADDON])
    await other.line(/serving/)
    const { code, stderr } = await failedStart()
    expect([code, stderr]).toEqual([
      EXIT_FAILED,
      expect.stringContaining('another program already serves the packet queue'),
    ])
    await sleep(LISTEN_MS)
    await other.stop()
  })

  test('of the thread that serves the queue blocks until a new start, and says so', async () => {
    const broken = await start({ NODE_OPTIONS: `--import=${BREAK_WORKERS}` })
    await webWorks()
    broken.kill('SIGUSR2')
    const { protection } = await statusOf(({ protection }) => protection.state === 'blocked')
    expect(protection).toMatchObject({
      fault: 'internal',
      reason: 'an unexpected error, which is a bug',
      repair: 'restart the client',
    })
    expect(await web()).toBe(false)
  })

  test('of all hubs, which are gone, blocks until they are back', async () => {
    await start()
    for (const { process: hub } of spn.hubs) hub.kill('SIGKILL')
    const { protection } = await statusOf(({ protection }) => protection.state === 'blocked')
    expect(protection).toMatchObject({
      fault: expect.stringMatching(/^(link|path|next|peer)-/),
      reason: expect.any(String),
    })
    expect(await web()).toBe(false)
    await Promise.all(spn.hubs.map((hub) => spn.startHub(hub)))
    await statusOf(({ protection }) => protection.state === 'protected')
  })

  test('of a map that is over blocks until there is a new one', async () => {
    await start()
    spn.directoryProcess?.kill('SIGSTOP')
    const { protection } = await statusOf(({ protection }) => protection.state === 'blocked')
    expect(protection).toMatchObject({ fault: 'map-expired', reason: 'the hub map has expired' })
    expect(await web()).toBe(false)
    spn.directoryProcess?.kill('SIGCONT')
    await statusOf(({ protection }) => protection.state === 'protected')
  })
})
