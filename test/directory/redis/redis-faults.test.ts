import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { DirectoryReplicas } from '../../support/directory-replicas.ts'
import type { Program } from '../../support/program.ts'
import { RealHub } from '../../support/real-hub.ts'
import { eventually, RedisServers } from '../../support/redis-servers.ts'

const EPOCH_S = 2
const PASSWORD = 'correct-horse'
const QUICK = {
  ...{ epochSeconds: EPOCH_S, mapLifeEpochs: 10_000, probeSeconds: 20 },
  limits: { newHubsPerBlock: 1000, descriptorsPerMinutePerHub: 6_000, descriptorsPerMinutePerSender: 60_000 },
}

interface Answer {
  readonly status: number
  readonly body: { readonly result?: string; readonly fault?: string }
}

let servers: RedisServers
let directory: DirectoryReplicas
let hub: RealHub
let sequence = Math.floor(Date.now() / 1000)
/** The last one that was accepted. */
let accepted: Uint8Array

beforeAll(async () => {
  servers = await RedisServers.start({ replicas: 1, settings: { requirepass: PASSWORD, masterauth: PASSWORD } })
  directory = await DirectoryReplicas.start(2, servers.url, QUICK)
  hub = await RealHub.start(directory.network.id)
  accepted = next()
  expect(await post(accepted)).toEqual({ status: 202, body: { result: 'accepted' } })
  for (const { url } of directory.replicas)
    await eventually(async () => (await get(url, '/v1/map')).status === 200, 'a map')
})
afterAll(async () => {
  await hub?.close()
  await directory?.stop()
  await servers?.stop()
})

const next = (): Uint8Array => hub.signed(++sequence)
const primary = (): number => servers.servers[0]!.port
const secondary = (): number => servers.servers[1]!.port
const say = (port: number, ...words: string[]): Promise<unknown> =>
  servers.client(port).call(words[0] as string, ...words.slice(1))

async function post(signed: Uint8Array, replica = 0): Promise<Answer> {
  const answer = await fetch(`${directory.replicas[replica]!.url}/v1/descriptors`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.from(signed),
  })
  return { status: answer.status, body: (await answer.json()) as Answer['body'] }
}

const get = (url: string, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url + path, { headers })

async function newestEpoch(url: string): Promise<number> {
  return ((await (await get(url, '/v1/head')).json()) as { epoch: number }).epoch
}

/** While Redis is like this: what is sent is refused with this fault, and the log says what to do. */
async function refuses(fault: string): Promise<void> {
  await eventually(async () => {
    const { status, body } = await post(next())
    // What was on its way still may be something else.
    return status === 503 && body.fault === fault
  }, `503 ${fault}`)
  const line = await directory.replicas[0]!.program.line(`"fault":"${fault}"`)
  expect(JSON.parse(line)).toMatchObject({ level: 'error', message: 'Redis fails', repair: expect.any(String) })
}

/** Nobody does anything: what was accepted is there at both, new ones are accepted, and there are new maps. */
async function recovers(): Promise<void> {
  let isLost = false
  for (const replica of [0, 1]) {
    // What was refused may have been stored all the same, and is newer then.
    const held = async (): Promise<boolean> => {
      const { status, body } = await post(accepted, replica)
      isLost ||= status === 202
      return isLost || status === 200 || body.fault === 'descriptor-older'
    }
    await eventually(held, 'what was accepted')
  }
  expect(isLost).toBe(false)
  accepted = next()
  expect(await post(accepted)).toEqual({ status: 202, body: { result: 'accepted' } })
  expect(await post(accepted, 1)).toEqual({ status: 200, body: { result: 'unchanged' } })
  for (const { url } of directory.replicas) {
    const before = await newestEpoch(url)
    await eventually(async () => (await newestEpoch(url)) > before, 'a new map')
  }
}

/** The map is handed out by both, though Redis does not answer. */
async function servesMap(): Promise<void> {
  for (const { url } of directory.replicas) {
    const first = await get(url, '/v1/map')
    const again = await get(url, '/v1/map', { 'if-none-match': first.headers.get('etag') ?? '' })
    expect([first.status, again.status, (await get(url, '/healthz')).status]).toEqual([200, 304, 200])
  }
}

describe('a directory on Redis goes on by itself, and loses nothing that it accepted', () => {
  test('when Redis was gone: what is sent meanwhile is refused, the map handed out', async () => {
    await servers.kill(primary())
    await refuses('store-unreachable')
    await servesMap()
    await servers.restart(primary())
    await recovers()
  })

  test('when Redis did not answer', async () => {
    process.kill(servers.serverOf(primary()).program.pid, 'SIGSTOP')
    await refuses('store-slow')
    await servesMap()
    process.kill(servers.serverOf(primary()).program.pid, 'SIGCONT')
    await recovers()
  })

  test('when Redis was full', async () => {
    await say(primary(), 'CONFIG', 'SET', 'maxmemory', '1mb')
    await refuses('store-full')
    await servesMap()
    await say(primary(), 'CONFIG', 'SET', 'maxmemory', '0')
    await recovers()
  })

  test('when Redis took no writes, because it is no primary', async () => {
    await say(secondary(), 'REPLICAOF', 'NO', 'ONE')
    await say(primary(), 'REPLICAOF', '127.0.0.1', String(secondary()))
    await refuses('store-read-only')
    await servesMap()
    await say(primary(), 'REPLICAOF', 'NO', 'ONE')
    await say(secondary(), 'REPLICAOF', '127.0.0.1', String(primary()))
    await recovers()
  })

  test('when Redis had no replica', async () => {
    await servers.kill(secondary())
    await refuses('store-unsafe')
    await servesMap()
    await servers.restart(secondary())
    await recovers()
  })

  test('when Redis had a replica that did not answer', async () => {
    process.kill(servers.serverOf(secondary()).program.pid, 'SIGSTOP')
    await refuses('store-unsafe')
    process.kill(servers.serverOf(secondary()).program.pid, 'SIGCONT')
    await recovers()
  })

  test('when all of Redis was killed at once and started again', async () => {
    await Promise.all([primary(), secondary()].map((port) => servers.kill(port)))
    await servers.restart(primary())
    await servers.restart(secondary())
    await recovers()
  })

  test('and never says a password', () => {
    expect(directory.replicas.map(({ program }) => program.output).join('\n')).not.toContain(PASSWORD)
  })
})

describe('a directory does not start', () => {
  const startedWith = async (redis: string): Promise<Program> => {
    const program = directory.program(0, ['--redis', redis])
    await program.exit(120_000)
    return program
  }

  test('on a Redis whose settings could lose something, and says which and what to do', async () => {
    const unsafe = await RedisServers.start({
      replicas: 1,
      settings: {
        appendonly: 'no',
        appendfsync: 'everysec',
        'min-replicas-to-write': '0',
        'maxmemory-policy': 'allkeys-lru',
      },
    })
    try {
      const program = await startedWith(unsafe.url)
      expect(program.exited?.code).toBe(2)
      for (const name of ['appendonly', 'appendfsync', 'min-replicas-to-write', 'maxmemory-policy']) {
        expect(program.output).toMatch(new RegExp(`redis: ${name}: expected .* not .*; say CONFIG SET ${name} `))
      }
    } finally {
      await unsafe.stop()
    }
  })

  test('with a wrong password, which it does not repeat', async () => {
    const program = await startedWith(servers.url.replace(PASSWORD, 'wrong-battery'))
    expect([program.exited?.code, program.output.includes('refuses its user or password')]).toEqual([1, true])
    expect(program.output).not.toContain('wrong-battery')
  })

  test('with a text that is no place of Redis, which it does not repeat', async () => {
    const program = await startedWith('http://user:wrong-battery@127.0.0.1')
    expect([program.exited?.code, program.output.includes('expected redis://')]).toEqual([2, true])
    expect(program.output).not.toContain('wrong-battery')
  })
})
