import { describe, expect, test } from '@jest/globals'
import { type HubConfig, hubOptionsSchema } from '../../hub/options.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'
import { faultOf } from '../support/fault-of.ts'

const LEAST: HubConfig = { networkFile: 'network.json', stateDir: 'state', listen: ['192.0.2.1:443'] }
const parse = (config: unknown) => parseOptions(hubOptionsSchema, config, 'hub.json')
const mistakes = (config: unknown): string[] => String(faultOf(() => parse(config)).details.mistakes).split('\n')

describe('the options of a hub', () => {
  test('need three things; the rest has defaults, and an exit is off unless switched on', () => {
    const options = parse(LEAST)
    expect(options.roles).toEqual({ home: true, relay: true, exit4: false, exit6: false })
    expect(options.exitPolicy).toEqual(DEFAULT_EXIT_POLICY)
    expect(options.listen).toEqual([{ ip: Uint8Array.of(192, 0, 2, 1), port: 443 }])
    expect([options.listenNoise, options.announce, options.place, options.drainSeconds]).toEqual([
      [],
      undefined,
      undefined,
      30,
    ])
    expect(options.transport).toBe('tls')
    expect(Object.values(options.limits).every((limit) => limit >= 1)).toBe(true)
  })

  test('that are wrong are told all at once, each with its place and what is expected', () => {
    const told = mistakes({
      stateDir: '',
      listen: ['192.0.2.1', '[2001:db8::1]:70000'],
      announce: [],
      roles: { home: 'yes', exits: true },
      exitPolicy: ['allow *:80', 'reject *:25'],
      operator: 'x'.repeat(129),
      capacityMbit: 0,
      place: { latitude: 91, longitude: 0 },
      limits: { links: 0, circuits: 1.5, conections: 3 },
      drainSeconds: -1,
      logLevel: 'loud',
      listenNose: [],
      transport: 'quic',
    })
    for (const beginning of [
      'networkFile: ',
      'stateDir: ',
      'listen[0]: expected ADDRESS:PORT',
      'listen[1]: expected ADDRESS:PORT',
      'announce: ',
      'roles.home: expected boolean',
      'roles: unknown option "exits"',
      'exitPolicy[0]: expected "accept|reject ADDRESSES:PORTS"',
      'operator: ',
      'capacityMbit: ',
      'place: expected latitude',
      'limits.links: ',
      'limits.circuits: ',
      'limits: unknown option "conections"',
      'drainSeconds: ',
      'logLevel: ',
      'unknown option "listenNose"',
      'transport: ',
    ]) {
      expect(told.filter((mistake) => mistake.startsWith(beginning))).toHaveLength(1)
    }
    expect(told).toHaveLength(18)
  })

  test.each([
    ['listen', (n: number) => ({ listen: Array(n).fill('192.0.2.1:443') }), 8],
    ['listenNoise', (n: number) => ({ listenNoise: Array(n).fill('192.0.2.1:443') }), 8],
    ['exitPolicy', (n: number) => ({ exitPolicy: Array(n).fill('reject *:25') }), 256],
    ['limits.links', (n: number) => ({ limits: { links: n } }), 65_536],
    ['drainSeconds', (n: number) => ({ drainSeconds: n }), 86_400],
  ])('have a limit: %s at the cap and one past it', (name, config, cap) => {
    expect(() => parse({ ...LEAST, ...config(cap) })).not.toThrow()
    expect(mistakes({ ...LEAST, ...config(cap + 1) })[0]).toMatch(new RegExp(`^${name.replace('.', '\\.')}: `))
  })

  test.each(
    [
      ['operator', 'contact', 'family'].map((name) => [name, 'ä'.repeat(64), 'ä'.repeat(65)] as const),
      [
        ['operator', 'an operator', 'a\nb'] as const,
        ['contact', 'a', '\u2028'] as const,
        ['family', 'a', '\ud800'] as const,
      ],
    ].flat(),
  )('take only what a descriptor can carry: %s %j, not %j', (name, right, wrong) => {
    expect(() => parse({ ...LEAST, [name]: right })).not.toThrow()
    expect(mistakes({ ...LEAST, [name]: wrong })).toEqual([
      `${name}: expected at most 128 bytes without control characters`,
    ])
  })

  test('take only a city that a map can carry', () => {
    const at = (city: string) => ({ ...LEAST, place: { latitude: 1, longitude: 2, country: 'AT', city } })
    expect(() => parse(at('ä'.repeat(32)))).not.toThrow()
    for (const city of ['ä'.repeat(33), 'a\tb'])
      expect(mistakes(at(city))[0]).toMatch(/^place\.city: expected at most 64/)
  })

  test.each([['{'], [null], [[]], ['text'], [7]])('are an object, not %j', (config) => {
    expect(faultOf(() => parse(config)).code).toBe('options-invalid')
  })
})
