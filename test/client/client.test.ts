import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { Client } from '../../client/client.ts'
import { clientFiles } from '../../client/client-files.ts'
import { HomeLink } from '../../client/home-link.ts'
import type { Interception, InterceptionParts } from '../../client/interception/interception-api.ts'
import { clientOptionsSchema } from '../../client/options.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { type Log, silentLog } from '../../shared/base/log.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { askDaemon } from '../../shared/control/control-client.ts'
import { askNameServers } from '../../shared/dns/plain-query.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { freePort } from '../net/free-port.ts'
import { askFor } from '../support/dns-questions.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { networkWith } from '../support/map-fixtures.ts'
import { until } from '../support/until.ts'
import { ZoneServer } from '../support/zone-server.ts'

const { network } = networkWith(1, 1)

let folder: string
/** What became of the interception. */
let steps: string[]
let warnings: string[]
let opened: PromiseWithResolvers<void>
let fail: (fault: Fault) => void

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-client-'))
  steps = []
  warnings = []
  opened = Promise.withResolvers()
})

afterEach(() => {
  jest.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const interception: Interception = {
  start: () => {
    steps.push('start')
    return opened.promise
  },
  open: () => Promise.resolve(),
  askIncoming: () => Promise.resolve(),
  close: () => {
    steps.push('close')
    return Promise.resolve()
  },
}

function takeInterception({ onFailure }: InterceptionParts): Interception {
  fail = onFailure
  return interception
}

const log: Log = { ...silentLog, warn: (message) => void warnings.push(message), part: () => silentLog }

function client({ intercepts = true, url = 'http://192.0.2.1', dns = {}, wallClock = Date.now } = {}): Client {
  const options = clientOptionsSchema.parse({ networkFile: 'n', stateDir: folder, socks: null, dns })
  return new Client(options, {
    network: { ...network, directories: network.directories.map((one) => ({ ...one, url })) },
    files: clientFiles(folder),
    ...{ locator: NOWHERE, clock: systemClock, wallClock, random: systemRandom, log },
    directHttp: () => Promise.reject(new Fault('directory-unreachable')),
    apps: undefined,
    intercept: intercepts ? takeInterception : undefined,
  })
}

describe('a client that is closed', () => {
  test('while it starts waits for that, and takes all back', async () => {
    const one = client()
    const starting = rejectionOf(one.start())
    await until(() => steps.length === 1)
    const closing = one.close()
    opened.resolve()
    expect((await starting).code).toBe('cancelled')
    await closing
    expect(steps).toEqual(['start', 'close'])
    expect((await rejectionOf(askDaemon(clientFiles(folder).controlSocket, 'status'))).code).toBe('daemon-silent')
  })

  test.each([
    ['hangs', (_end: PromiseWithResolvers<void>) => {}],
    ['fails', (end: PromiseWithResolvers<void>) => end.reject(new Error('no end'))],
  ])('ends the interception also where the end of the home link %s', async (_, settle) => {
    opened.resolve()
    const one = client()
    await one.start()
    const end = Promise.withResolvers<void>()
    const ended = jest.spyOn(HomeLink.prototype, 'close').mockReturnValue(end.promise)
    const closing = one.close().catch(() => undefined)
    settle(end)
    await until(() => ended.mock.calls.length === 1)
    expect(steps).toEqual(['start', 'close'])
    end.resolve()
    await closing
  })
})

describe('a client on another network', () => {
  test('asks the servers of its zones anew', async () => {
    const server = new ZoneServer({ 'nas.corp.test': [{ type: 'A', data: '10.0.0.9', ttl: 600 }] })
    const zones = { 'corp.test': [`127.0.0.1:${await server.startPlain()}`] }
    const port = await freePort('127.0.0.1')
    let asleepMs = 0
    const one = client({
      intercepts: false,
      dns: { listen: `127.0.0.1:${port}`, zones },
      wallClock: () => Date.now() + asleepMs,
    })
    const resolver = { ip: Uint8Array.of(127, 0, 0, 1), port }
    const ask = () => askNameServers([resolver], askFor('nas.corp.test'), systemRandom, new AbortController().signal)
    try {
      await one.start()
      await ask()
      await ask()
      expect(server.asked).toHaveLength(1)
      asleepMs = 60_000
      while (server.asked.length === 1) await ask()
    } finally {
      await one.close()
      await server.close()
    }
  })
})

describe('a client whose directory has a host name', () => {
  test.each([
    ['and intercepts says that it may not be found', true, 'https://directory.example', 1],
    ['and does not intercept says nothing', false, 'https://directory.example', 0],
    ['in no URL says nothing', true, 'http://192.0.2.1', 0],
  ])('%s', async (_, intercepts, url, count) => {
    opened.resolve()
    const one = client({ intercepts, url })
    await one.start()
    await one.close()
    expect(warnings.filter((text) => text.includes('host name'))).toHaveLength(count)
  })
})

describe('the status of a client (row 54)', () => {
  const protection = async (): Promise<unknown> => {
    const status = await askDaemon(clientFiles(folder).controlSocket, 'status')
    return (status as { protection: unknown }).protection
  }

  test('says that it starts, and what fails on the way', async () => {
    opened.resolve()
    const one = client()
    await one.start()
    expect(await protection()).toMatchObject({ state: 'starting' })
    const text = 'no directory could be reached'
    while (!JSON.stringify(await protection()).includes(text)) await new Promise((resolve) => setImmediate(resolve))
    expect(await protection()).toMatchObject({ state: 'starting', fault: 'directory-unreachable', reason: text })
    await one.close()
  })

  test('says that interception failed, which only a new start repairs', async () => {
    opened.resolve()
    const one = client()
    await one.start()
    fail(new Fault('internal', { part: 'queue' }))
    expect(await protection()).toMatchObject({ state: 'blocked', fault: 'internal', repair: 'restart the client' })
    await one.close()
  })

  test('is "off" for a client that intercepts nothing, and nothing can be opened', async () => {
    const one = client({ intercepts: false })
    await one.start()
    expect(await protection()).toMatchObject({ state: 'off' })
    const refused = rejectionOf(askDaemon(clientFiles(folder).controlSocket, 'pause', { minutes: 5 }))
    expect((await refused).code).toBe('not-protected')
    await one.close()
  })
})
