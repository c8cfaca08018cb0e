import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { STUN_PORTS } from '../world/destinations.ts'
import type { Host } from '../world/host.ts'
import { describeWorld } from '../world/support.ts'
import { Browser } from './support/browser.ts'
import { NAMES_TO_DIG, PAGE_CITIES, ProgramsLab, type Verdict, VISITED, WISHED_HOPS } from './support/programs-lab.ts'
import {
  chromium,
  curl,
  gitOverHttps,
  gitOverSsh,
  iperf,
  ping,
  ssh,
  stun,
  stunMapping,
  type Visit,
  WAYS,
  type Way,
} from './support/user-programs.ts'
import { THINGS_OF_A_SERVER } from './support/web-site.ts'

let lab: ProgramsLab
const browsers: { h2?: Browser; h3?: Browser } = {}

interface Program {
  readonly visit: Visit
  /** What it says of a server that the rules block. */
  readonly blocked: RegExp
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  'curl by HTTP/1.1': { visit: curl('--http1.1'), blocked: /Couldn't connect|Failed to connect/ },
  'curl by HTTP/2': { visit: curl('--http2'), blocked: /Couldn't connect|Failed to connect/ },
  'Chromium by HTTP/2': { visit: chromium(() => browsers.h2, 'HTTP/2.0'), blocked: /ERR_CONNECTION_REFUSED/ },
  'Chromium by HTTP/3': {
    visit: chromium(() => browsers.h3, 'HTTP/3.0'),
    blocked: /ERR_QUIC_(PROTOCOL_ERROR|HANDSHAKE_FAILED)/,
  },
  'git by HTTPS': { visit: gitOverHttps, blocked: /Failed to connect/ },
  'git by ssh': { visit: gitOverSsh, blocked: /Connection refused/ },
  ssh: { visit: ssh, blocked: /Connection refused/ },
  ping: { visit: ping, blocked: /2 packets transmitted, 0 received/ },
  'iperf3 by UDP': { visit: iperf, blocked: /Connection refused/ },
  'a STUN client': { visit: stun, blocked: /No route to host|Permission denied/ },
}
const VISITS = Object.entries(PROGRAMS).flatMap(([name, program]) => WAYS.map((way) => [name, way, program] as const))

const PAGES: Readonly<Record<Way, string>> = {
  IPv4: 'page4.html',
  IPv6: 'page6.html',
  'a name with both': 'page.html',
}

async function startBrowsers(): Promise<void> {
  const { spn, site } = lab
  const trust = `--ignore-certificate-errors-spki-list=${site.publicKeyHash}`
  const names = Object.keys(spn.world.names)
  const quic = `--origin-to-force-quic-on=${names.map((name) => `${name}:443`).join(',')}`
  const start = (...flags: string[]) => Browser.start(spn.user, spn.world.folder, [trust, ...flags])
  const [h2, h3] = await Promise.all([start('--disable-quic'), start(quic)])
  Object.assign(browsers, { h2, h3 })
}

describeWorld(describe, 'programs that know nothing of the network', () => {
  beforeAll(async () => {
    lab = await ProgramsLab.create()
    await startBrowsers()
  })

  afterAll(async () => {
    await lab?.close()
  })

  test.each(VISITS)('%s to %s: through the network, past it or nowhere, as the rules say', async (_, way, program) => {
    const visit = async (verdict: Verdict): Promise<string> =>
      lab.ownerOf(await program.visit(lab, lab.server(verdict), way))
    const failure = visit('block').then(
      (who) => `not blocked: ${who}`,
      ({ message }: Error) => message,
    )
    const [tunnelled, direct, blocked] = await Promise.all([visit('tunnel'), visit('direct'), failure])
    expect(lab.exitsFor(VISITED.tunnel)).toContain(tunnelled)
    expect(direct).toBe('the user')
    expect(blocked).toMatch(program.blocked)
  })

  test.each(
    Object.entries(PAGES).flatMap(([way, page]) => [
      ['h2', 'HTTP/2.0', way, page] as const,
      ['h3', 'HTTP/3.0', way, page] as const,
    ]),
  )(
    'Chromium loads a page with 30 things from 5 servers by %s (%s, %s), each by an exit that is among the near-best',
    async (short, long, _way, page) => {
      const url = `https://${lab.server('tunnel').host.dnsName}/${page}`
      const { resources, text, failure } = (await browsers[short]?.view(url)) ?? { failure: 'no browser' }
      expect(failure).toBeUndefined()
      expect(resources).toHaveLength(PAGE_CITIES.length * THINGS_OF_A_SERVER)
      expect(resources?.filter(({ protocol, bytes }) => protocol !== short || bytes === 0)).toEqual([])
      for (const city of PAGE_CITIES) {
        const seen = new RegExp(`${lab.spn.destination(city).dnsName} (\\S+) ${long}`).exec(text ?? '')
        expect(lab.exitsFor(city)).toContain(lab.ownerOf(seen?.[1] ?? ''))
      }
    },
  )

  test.each(WAYS)('two STUN servers far from each other see one socket at one address: %s', async (way) => {
    const [near, far] = PAGE_CITIES.map((city) => lab.spn.destination(city))
    const address = await stunMapping(lab.spn.user, way, [near, far] as [Host, Host])
    expect(lab.exitsFor(VISITED.tunnel)).toContain(lab.ownerOf(address))
  })

  test.each(
    ['+notcp', '+tcp'].flatMap((transport, i) =>
      WAYS.map((way, j) => [transport, way, NAMES_TO_DIG[i * WAYS.length + j] as string] as const),
    ),
  )('dig %s to %s: an exit asks for the name', async (transport, way, name) => {
    const { ipv4, ipv6 } = lab.server('tunnel').host
    const flags = { IPv4: ['-4'], IPv6: ['-6'], 'a name with both': [] }[way]
    const dig = (type: string) => lab.spn.user.mustRun('dig', ['+short', transport, ...flags, name, type])
    expect([await dig('A'), await dig('AAAA')]).toEqual([`${ipv4}\n`, `${ipv6}\n`])
    const askers = lab.spn.world.queries.filter((query) => query.name === name).map(({ from }) => lab.ownerOf(from))
    const cities = lab.spn.hubs.map(({ city }) => city.place.city)
    expect(askers.length).toBeGreaterThan(1)
    expect(cities).toEqual(expect.arrayContaining(askers))
  })

  test('the list of connections names programs and names, with as many hops as the rules wish', async () => {
    const connections = await lab.spn.connections()
    const of = (app: string) => connections.filter(({ app: found }) => found?.path.endsWith(app.slice(1)) === true)
    const { tunnel, block } = { tunnel: lab.server('tunnel').host.dnsName, block: lab.server('block').host.dnsName }
    for (const [app, hops] of [...Object.entries(WISHED_HOPS), ['*/curl', 3] as const]) {
      const carried = of(app).filter(({ name, fault }) => name === tunnel && fault === undefined)
      expect([app, [...new Set(carried.map(({ path }) => path.length))]]).toEqual([app, [hops]])
    }
    const { ipv4, ipv6 } = lab.server('block').host
    const refused = connections.filter(({ name, fault }) => name === block && fault === 'rule-blocked')
    const told = refused.map(({ target, app }) => `${target} ${app?.path.split('/').at(-1)}`)
    expect(told).toEqual(
      expect.arrayContaining([
        ...[`${ipv4}:443 curl`, `[${ipv6}]:443 curl`, `${ipv4}/echo ping`, `${ipv6}/echo ping`],
        ...[ipv4, `[${ipv6}]`].map((address) => expect.stringContaining(`${address}:${STUN_PORTS[0]}/udp python`)),
      ]),
    )
  })

  test('of all that, nothing but the home link and the direct server crossed the wire of the user', async () => {
    const { other, direct, atBlocked } = await lab.strayPackets()
    expect({ other, atBlocked }).toEqual({ other: [], atBlocked: [] })
    expect(direct).toBeGreaterThan(0)
    const { ipv4, ipv6 } = lab.spn.user
    expect(lab.spn.world.queries.filter(({ from }) => [ipv4, ipv6].includes(from))).toEqual([])
  })
})
