import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { RouteReport } from '../../client/navigator/explain-route.ts'
import { makeKey, publicKeys } from '../../directory/key-files.ts'
import { serveHttp } from '../world/destinations.ts'
import { type CityName, SOCKS_PORT, SpnWorld, type WorldHub } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'
import { Browser } from './support/browser.ts'

const HUBS: readonly CityName[] = [
  ...(['berlin', 'london', 'amsterdam', 'stockholm', 'newYork', 'toronto', 'saoPaulo', 'tokyo'] as const),
]
/** Names of one server, in one site each, and the country that a rule pins each to. */
const PINNED = { 'shop.example': 'JP', 'bank.example': 'BR', 'www.bank.example': 'BR' } as const
const FREE = 'free.example'
/** Of one server that hubs of the two Americas alone may be asked for. */
const EXCLUDED = 'away.example'
/** Of a site for which the exit has to be trusted, as one hub alone comes to be. */
const CAREFUL = 'careful.example'
const TRUSTED: CityName = 'toronto'
const NEW_IDENTITIES = 3

const RULES = `
global:
  rules:
    - { to: [.shop.example], exit: JP, verdict: tunnel }
    - { to: [.bank.example], exit: [BR], verdict: tunnel }
    - { to: [.${EXCLUDED}], avoid: [C:EU, C:AS], verdict: tunnel }
    - { to: [.${CAREFUL}], trusted: true, verdict: tunnel }
  default: tunnel
`

interface Status {
  readonly map: { readonly epoch: number }
}

/** The time limit of the test is that of the wait. */
async function whenTrue(look: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((resolve) => setTimeout(resolve, 200))
}

describeWorld(describe, 'the exit of a program, as a server sees it that prints the address of its caller', () => {
  let spn: SpnWorld
  let browser: Browser
  const keyDir = mkdtempSync(join(tmpdir(), 'spn-operator-'))

  beforeAll(async () => {
    const names = [...Object.keys(PINNED), FREE, EXCLUDED, CAREFUL]
    makeKey(keyDir, 'operator')
    const lists = { file: join(keyDir, 'lists'), operatorKey: publicKeys(keyDir).operator as string }
    spn = await SpnWorld.create({
      directory: { lists },
      ...{ hubs: HUBS, destinations: ['paris'], userCity: 'warsaw', userNames: 'dns', rules: () => RULES },
      names: Object.fromEntries(names.map((name) => [name, ['paris']])),
    })
    await serveHttp(spn.destination('paris'))
    await spn.startClient()
    browser = await Browser.start(spn.user, spn.world.folder, [])
  }, 240_000)

  afterAll(async () => {
    await spn?.close()
    rmSync(keyDir, { recursive: true })
  })

  const hubAt = (address: string): WorldHub => {
    const hub = spn.hubs.find(({ host }) => [host.ipv4, host.ipv6].includes(address.trim()))
    if (hub === undefined) throw new Error(`${address} is no hub`)
    return hub
  }
  const byBrowser = async (name: string): Promise<WorldHub> => hubAt(await browser.read(`http://${name}/address`))
  const byCurl = async (name: string): Promise<WorldHub> =>
    hubAt(await spn.user.mustRun('curl', ['-sS', '--max-time', '20', `http://${name}/address`]))
  const identity = (...scope: string[]): Promise<string> =>
    spn.user.mustRun('deploy/bin/spn', ['identity', ...scope, '--config', spn.clientConfig])

  test('is in the country that a rule pins the domain to, for several domains in one browser', async () => {
    for (let round = 0; round < 2; round++) {
      for (const [name, country] of Object.entries(PINNED)) {
        expect([name, (await byBrowser(name)).city.place.country]).toEqual([name, country])
      }
    }
    expect(['US', 'CA', 'BR']).toContain((await byBrowser(EXCLUDED)).city.place.country)
  })

  test('is one that the operator of the directory trusts where a rule wants that, and before there is one there is none', async () => {
    const throughProxy = ['-sS', '--max-time', '20', '--socks5-hostname', `127.0.0.1:${SOCKS_PORT}`]
    const refused = await spn.user.run('curl', [...throughProxy, `http://${CAREFUL}/address`])
    expect([refused.code, refused.stdout]).toEqual([97, ''])
    const tried = (await spn.connections()).filter(({ target }) => target === `${CAREFUL}:80`)
    expect(tried).toMatchObject([{ state: 'failed', fault: 'wish-unmet', path: [] }])
    const [directory] = spn.directories
    const hub = spn.publishedMap().content.hubs.find(({ operator }) => operator.endsWith(spn.hubOf(TRUSTED).host.name))!
    const words = ['trust', `hub:${hub.key}`, '--config', directory!.config, '--key-dir', keyDir, '--reason', 'known']
    await spn.directory.mustRun('deploy/bin/spn-directory', words)
    await whenTrue(() => spn.publishedMap().content.hubs.some(({ flags }) => flags !== 0))
    const { epoch } = spn.publishedMap().content
    await whenTrue(async () => ((await spn.ask('status')) as Status).map.epoch >= epoch)
    for (let i = 0; i < 3; i++) {
      await identity()
      expect((await byCurl(CAREFUL)).name).toBe(TRUSTED)
    }
    const asked = spn.world.queries.filter(({ name }) => name === CAREFUL)
    expect(new Set(asked.map(({ from }) => hubAt(from).name))).toEqual(new Set([TRUSTED]))
  })

  test('asks for the names of pinned domains too', async () => {
    for (const [name, country] of Object.entries(PINNED)) {
      const asked = spn.world.queries.filter((query) => query.name === name)
      expect(asked.length).toBeGreaterThan(0)
      for (const { from } of asked) expect([name, hubAt(from).city.place.country]).toEqual([name, country])
    }
  })

  test('stays the same for an app at a site', async () => {
    const first = await byCurl(FREE)
    for (let i = 0; i < 8; i++) expect((await byCurl(FREE)).host.name).toBe(first.host.name)
    const routeOf = async (app: string): Promise<RouteReport> => {
      const words = ['route', `${FREE}:80`, '--app', app, '--json', '--config', spn.clientConfig]
      return JSON.parse(await spn.user.mustRun('deploy/bin/spn', words)).route
    }
    const curl = (await spn.user.mustRun('sh', ['-c', 'readlink -f "$(command -v curl)"'])).trim()
    for (let i = 0; i < 3; i++) {
      const { path, isKept } = await routeOf(curl)
      expect([path.at(-1)?.city, isKept]).toEqual([first.city.place.city, true])
    }
    expect((await routeOf('/usr/bin/nobody-has-this')).isKept).toBe(false)
  })

  test('is another after each new identity, for the site or for all, and stays in the country of a rule', async () => {
    let before = await byCurl(FREE)
    for (let i = 0; i < NEW_IDENTITIES; i++) {
      await identity(...(i % 2 === 0 ? ['--site', FREE] : []))
      const after = await byCurl(FREE)
      expect(after.host.name).not.toBe(before.host.name)
      expect((await byCurl(FREE)).host.name).toBe(after.host.name)
      before = after
    }
    await identity()
    expect((await byBrowser('shop.example')).city.place.country).toBe('JP')
  })

  test('stays as it is when a new identity is asked for another site', async () => {
    const before = await byCurl(FREE)
    for (let i = 0; i < NEW_IDENTITIES; i++) {
      await identity('--site', 'shop.example')
      expect((await byCurl(FREE)).host.name).toBe(before.host.name)
    }
  })
})
