import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { serveAddress, serveHttp } from '../world/destinations.ts'
import type { HostProcess } from '../world/host-process.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'

const HUBS = ['berlin', 'london', 'newYork', 'tokyo'] as const
/** What becomes of flows to it, before and behind the change. */
const DESTINATIONS = {
  paris: ['tunnel', 'tunnel'],
  helsinki: ['tunnel', 'block'],
  seoul: ['direct', 'direct'],
  cairo: ['direct', 'block'],
} as const
const CITIES = Object.keys(DESTINATIONS) as (keyof typeof DESTINATIONS)[]
const FAMILIES = ['ipv4', 'ipv6'] as const
const PROGRAM = fileURLToPath(new URL('support/stream-program.py', import.meta.url))
const ADDRESS_PORT = 1234
/** Datagrams are sent for so long after the change. */
const AFTER_MS = 10_000
/** Who is not cut hears something again within this time. */
const LONGEST_GAP_MS = 5_000
const BYTES = 16_000_000
/** Then a transfer takes eight seconds, and is in its middle when the rules change; those that are to be cut would go on. */
const CURL_LIMIT = ['--limit-rate', '2M', '--max-time', '250']
const ENDLESS_BYTES = 1_000_000_000
/** curl's exit status: the connection was reset. */
const CURL_RESET = 56

interface Seen {
  readonly answers: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
  readonly gap: number
  readonly silentMs: number
  readonly isRevived: boolean
}

function rulesText(spn: SpnWorld, when: 0 | 1): string {
  const lines = CITIES.flatMap((city) => {
    const { ipv4, ipv6 } = spn.destination(city)
    return [ipv4, ipv6].map((address) => `    - ${DESTINATIONS[city][when]} ${address}`)
  })
  return `global:\n  rules:\n${lines.join('\n')}\n  default: tunnel\n`
}

describeWorld(describe, 'rules that change while programs transfer as fast as they can', () => {
  const transfers = new Map<string, { readonly code: number | null; readonly sum: string }>()
  const streams = new Map<string, Seen>()
  let expected: string
  let spn: SpnWorld

  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{ hubs: HUBS, destinations: CITIES, userCity: 'warsaw' },
      rules: (world) => rulesText(world, 0),
    })
    for (const city of CITIES)
      await Promise.all([serveHttp(spn.destination(city)), serveAddress(spn.destination(city))])
    const sum = await spn.destination('paris').mustRun('sh', ['-c', `curl -sS '${dataUrl('127.0.0.1')}' | sha256sum`])
    expected = sum.trim()
    await spn.startClient()

    const bulk = CITIES.map((city) =>
      spn.user.spawn('curl', ['-sS', '-o', '/dev/null', dataUrl(spn.destination(city).ipv4, ENDLESS_BYTES)]),
    )
    const running = [...CITIES.flatMap((city) => FAMILIES.map((family) => transfer(city, family)))]
    const streaming = FAMILIES.map((family) => {
      const places = CITIES.flatMap((city) => [spn.destination(city)[family], `${ADDRESS_PORT}`])
      return { family, process: spn.user.spawn('python3', [PROGRAM, ...places]) }
    })
    await Promise.all(streaming.map(({ process }) => process.line(/all have answered/)))
    writeFileSync(join(spn.world.folder, 'rules.yaml'), rulesText(spn, 1))
    await spn.client?.line(/new rules are in force/)
    await new Promise((resolve) => setTimeout(resolve, AFTER_MS))
    for (const { process } of streaming) process.stdin.end()
    await Promise.all([...running, ...streaming.map(({ family, process }) => read(family, process))])
    await Promise.all(bulk.map((one) => one.stop()))
  })

  afterAll(async () => {
    await spn?.close()
  })

  async function transfer(city: keyof typeof DESTINATIONS, family: (typeof FAMILIES)[number]): Promise<void> {
    const host = spn.destination(city)[family]
    const bytes = DESTINATIONS[city][1] === 'block' ? ENDLESS_BYTES : BYTES
    const fetch = `curl -sS ${CURL_LIMIT.join(' ')} '${dataUrl(host, bytes)}'`
    const script = `{ ${fetch}; echo $? >&2; } | sha256sum`
    const { stdout, stderr } = await spn.user.run('sh', ['-c', script], { timeoutMs: 260_000 })
    transfers.set(`${city} ${family}`, { code: Number(stderr.trim().split('\n').at(-1)), sum: stdout.trim() })
  }

  async function read(family: string, process: HostProcess): Promise<void> {
    const [, json = '[]'] = await process.line(/^(\[.*\])$/)
    const seen = JSON.parse(json) as Seen[]
    for (const [i, city] of CITIES.entries()) streams.set(`${city} ${family}`, seen[i] as Seen)
  }

  const flows = (what: 'kept' | 'cut'): string[][] =>
    CITIES.filter((city) => (DESTINATIONS[city][1] === 'block') === (what === 'cut')).flatMap((city) =>
      FAMILIES.map((family) => [DESTINATIONS[city][0], family, `${city} ${family}`]),
    )

  test.each(flows('kept'))('a %s TCP connection over %s that both allow goes on, unharmed', (_how, _family, which) => {
    expect(transfers.get(which)).toEqual({ code: 0, sum: expected })
  })

  test.each(flows('cut'))('a %s TCP connection over %s that the new ones forbid is reset', (_how, _family, which) => {
    expect(transfers.get(which)?.code).toBe(CURL_RESET)
  })

  test.each(flows('kept'))('%s datagrams over %s that both allow go on, by the same port', (_how, _family, which) => {
    const { answers, errors, gap, silentMs } = streams.get(which) as Seen
    expect([Object.keys(answers).length, errors]).toEqual([1, {}])
    expect(gap * 1_000).toBeLessThan(LONGEST_GAP_MS)
    expect(silentMs).toBeLessThan(LONGEST_GAP_MS)
  })

  test.each(flows('cut'))(
    '%s datagrams over %s that the new ones forbid are refused from then on',
    (_how, family, which) => {
      const { errors, silentMs, isRevived } = streams.get(which) as Seen
      expect(Object.keys(errors)).toEqual([family === 'ipv4' ? 'EHOSTUNREACH' : 'EACCES'])
      expect(silentMs).toBeGreaterThan(LONGEST_GAP_MS)
      expect(isRevived).toBe(false)
    },
  )
})

function dataUrl(host: string, bytes = BYTES): string {
  return `http://${host.includes(':') ? `[${host}]` : host}/data?bytes=${bytes}&seed=1`
}
