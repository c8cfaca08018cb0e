import { describe, expect, test } from '@jest/globals'
import { type ClientConfig, clientOptionsSchema } from '../../client/options.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { faultOf } from '../support/fault-of.ts'

const LEAST: ClientConfig = { networkFile: 'network.json', stateDir: 'state' }
const parse = (config: unknown) => parseOptions(clientOptionsSchema, config, 'client.json')
const mistakes = (config: unknown): string[] => String(faultOf(() => parse(config)).details.mistakes).split('\n')

describe('the options of the client', () => {
  test('need two things; the rest has defaults', () => {
    expect(parse(LEAST)).toMatchObject({
      ...{
        socks: { ip: Uint8Array.of(127, 0, 0, 1), port: 1080 },
        intercept: null,
        hops: 3,
        profile: null,
        trusted: false,
        privateTargets: false,
      },
      ...{ geo: { overridesOnly: false }, logLevel: 'info', transport: 'tls', rulesFile: null },
    })
    expect(parse({ ...LEAST, intercept: {} }).intercept).toEqual({
      ...{ queue: 17, port: 7170, own: { gid: 7117 }, direct: [] },
    })
  })

  test('can switch the proxies off and on', () => {
    expect(parse({ ...LEAST, socks: null }).socks).toBeNull()
    expect(parse(LEAST).httpProxy).toBeNull()
    expect(parse({ ...LEAST, httpProxy: '[::1]:8118' }).httpProxy).toMatchObject({ port: 8118 })
  })

  test('that are wrong are told all at once, each with its place and what is expected', () => {
    const told = mistakes({
      networkFile: '',
      socks: 'localhost:1080',
      httpProxy: '127.0.0.1',
      intercept: { queue: 70_000, port: 0, own: { gid: 1, cgroup: 'x' }, direct: ['10.0.0.1/8', '10.0.0.0/8'] },
      hops: 5,
      privateTargets: 'yes',
      geo: { table: 'x' },
      logLevel: 'loud',
      transport: 'tor',
      rulesFile: '',
      hop: 3,
    })
    for (const beginning of [
      'networkFile: ',
      'stateDir: ',
      'socks: expected ADDRESS:PORT',
      'httpProxy: expected ADDRESS:PORT',
      'intercept.queue: ',
      'intercept.port: ',
      'intercept.own: ',
      'intercept.direct[0]: expected a range of addresses',
      'hops: ',
      'privateTargets: expected boolean',
      'geo: unknown option "table"',
      'logLevel: ',
      'transport: ',
      'rulesFile: ',
      'unknown option "hop"',
    ]) {
      expect(told.filter((mistake) => mistake.startsWith(beginning))).toHaveLength(1)
    }
    expect(told).toHaveLength(15)
  })

  test.each([
    ['hops', (n: number) => ({ hops: n }), 4],
    ['intercept.direct', (n: number) => ({ intercept: { direct: Array(n).fill('10.0.0.0/8') } }), 256],
    ['intercept.own', (n: number) => ({ intercept: { own: { cgroup: 'x'.repeat(n) } } }), 255],
  ])('have a limit: %s at the cap and one past it', (name, config, cap) => {
    expect(() => parse({ ...LEAST, ...config(cap) })).not.toThrow()
    expect(mistakes({ ...LEAST, ...config(cap + 1) })[0]).toMatch(new RegExp(`^${name.replace('.', '\\.')}`))
  })
})
