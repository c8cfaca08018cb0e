import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { serveHttp } from '../world/destinations.ts'
import { type CityName, SpnWorld, type WorldHub } from '../world/spn-world.ts'
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
const NEW_IDENTITIES = 3

const RULES = `
global:
  rules:
    - { to: [.shop.example], exit: JP, verdict: tunnel }
    - { to: [.bank.example], exit: [BR], verdict: tunnel }
    - { to: [.${EXCLUDED}], avoid: [C:EU, C:AS], verdict: tunnel }
  default: tunnel
`

describeWorld(describe, 'the exit of a program, as a server sees it that prints the address of its caller', () => {
  let spn: SpnWorld
  let browser: Browser

  beforeAll(async () => {
    const names = [...Object.keys(PINNED), FREE, EXCLUDED]
    spn = await SpnWorld.create({
      ...{ hubs: HUBS, destinations: ['paris'], userCity: 'warsaw', userNames: 'dns', rules: () => RULES },
      names: Object.fromEntries(names.map((name) => [name, ['paris']])),
    })
    await serveHttp(spn.destination('paris'))
    await spn.startClient()
    browser = await Browser.start(spn.user, spn.world.folder, [])
  }, 240_000)

  afterAll(async () => {
    await spn?.close()
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
