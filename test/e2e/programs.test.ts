import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { describeWorld } from '../world/support.ts'
import { Browser } from './support/browser.ts'
import { PAGE_CITIES, ProgramsLab, VISITED } from './support/programs-lab.ts'
import { chromium, curl, gitOverHttps, gitOverSsh, ssh, type Visit, WAYS } from './support/user-programs.ts'
import { THINGS_OF_A_SERVER } from './support/web-site.ts'

let lab: ProgramsLab
let browser: Browser

const PROGRAMS: Readonly<Record<string, Visit>> = {
  'curl by HTTP/1.1': curl('--http1.1'),
  'curl by HTTP/2': curl('--http2'),
  'Chromium by HTTP/2': chromium(() => browser, 'HTTP/2.0'),
  'git by HTTPS': gitOverHttps,
  'git by ssh': gitOverSsh,
  ssh,
}
const VISITS = Object.entries(PROGRAMS).flatMap(([name, visit]) => WAYS.map((way) => [name, way, visit] as const))

describeWorld(describe, 'programs that know nothing of the network', () => {
  beforeAll(async () => {
    lab = await ProgramsLab.create()
    const trust = `--ignore-certificate-errors-spki-list=${lab.site.publicKeyHash}`
    browser = await Browser.start(lab.spn.user, lab.spn.world.folder, ['--disable-quic', trust])
  }, 90_000)

  afterAll(async () => {
    await lab?.close()
  })

  test.each(VISITS)('%s to %s: through the network, past it or nowhere, as the rules say', async (_, way, visit) => {
    const visitAs = async (verdict: 'tunnel' | 'direct' | 'block'): Promise<string> =>
      lab.ownerOf(await visit(lab, lab.server(verdict), way))
    expect(lab.exitsFor(VISITED.tunnel)).toContain(await visitAs('tunnel'))
    expect(await visitAs('direct')).toBe('the user')
    await expect(visitAs('block')).rejects.toThrow(/refused|ERR_CONNECTION_REFUSED|Couldn't connect|Failed to connect/i)
  })

  test('Chromium loads a page with 30 things from 5 servers, each by the exit nearest to it', async () => {
    const { resources, text, failure } = await browser.view(`https://${lab.server('tunnel').host.dnsName}/page.html`)
    expect(failure).toBeUndefined()
    expect(resources).toHaveLength(PAGE_CITIES.length * THINGS_OF_A_SERVER)
    expect(resources.filter(({ protocol, bytes }) => protocol !== 'h2' || bytes === 0)).toEqual([])
    for (const city of PAGE_CITIES) {
      const [, address = ''] = new RegExp(`${lab.spn.destination(city).dnsName} (\\S+) HTTP/2.0`).exec(text) ?? []
      expect(lab.exitsFor(city)).toContain(lab.ownerOf(address))
    }
  })

  test('of all that, nothing but the home link and the direct server crossed the wire of the user', async () => {
    const { other, direct, atBlocked } = await lab.strayPackets()
    expect({ other, atBlocked }).toEqual({ other: [], atBlocked: [] })
    expect(direct).toBeGreaterThan(0)
  })
})
