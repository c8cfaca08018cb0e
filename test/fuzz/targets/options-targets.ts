import type { z } from 'zod'
import { clientOptionsSchema } from '../../../client/options.ts'
import { directoryOptionsSchema } from '../../../directory/options.ts'
import { hubOptionsSchema } from '../../../hub/options.ts'
import { parseUtf8, utf8 } from '../../../shared/base/bytes.ts'
import { parseCommandLine } from '../../../shared/base/command-line.ts'
import { parseOptions } from '../../../shared/base/options.ts'
import { Overrides } from '../../../shared/geo/overrides.ts'
import { networkFileOf, networkOf, networkSchema } from '../../../shared/map/network.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { orFault } from './document-targets.ts'
import { describeHub } from './hub-descriptor.ts'

/** The value of a JSON text; undefined if it is none, which the reader of files reports by itself. */
export function parseJson(input: Uint8Array): unknown {
  try {
    return JSON.parse(parseUtf8(input) ?? '')
  } catch {
    return undefined
  }
}

/** A configuration file: it is taken, or refused with a sentence for each mistake. */
function optionsTarget<Schema extends z.ZodType>(
  name: string,
  schema: Schema,
  samples: readonly z.input<Schema>[],
  check: (options: z.output<Schema>) => string,
): FuzzTarget {
  return {
    name,
    about: `the configuration file ${name.replace('-options', '.json')}`,
    maxBytes: 4096,
    json: true,
    seeds: () => samples.map((sample) => utf8(JSON.stringify(sample))),
    run(input) {
      const value = parseJson(input)
      if (value === undefined) return 'not json'
      let mistakes: string | undefined
      const options = orFault(['options-invalid'], () => {
        try {
          return { read: parseOptions(schema, value, 'fuzz.json') }
        } catch (error) {
          mistakes = String((error as { details?: { mistakes?: unknown } }).details?.mistakes)
          throw error
        }
      })
      if (typeof options === 'object') return check(options.read)
      promise(mistakes !== undefined && mistakes !== 'undefined' && mistakes.length > 0, 'every refusal says why')
      return 'refused'
    },
  }
}

const FILES = { networkFile: 'network.json', stateDir: '/var/lib/spn' }

const client = optionsTarget(
  'client-options',
  clientOptionsSchema,
  [
    { ...FILES },
    { ...FILES, socks: '[::1]:1080', intercept: {}, hops: 1, privateTargets: true },
    { ...FILES, socks: null, intercept: { queue: 1, own: { cgroup: 'a' }, direct: ['192.168.0.0/16', '::1'] } },
    {
      ...FILES,
      geo: { tableFile: 'a', overridesFile: 'b', overridesOnly: true },
      logLevel: 'warn',
      transport: 'noise',
    },
    { ...FILES, socks: null, httpProxy: '127.0.0.1:8118' },
    {
      ...FILES,
      dns: {
        ...{ listen: '127.0.0.1:5353', zones: { 'corp.lan': ['10.0.0.1:53'] }, hosts: { 'a.lan': ['::1'] } },
        upstreams: [{ kind: 'exit' }, { kind: 'https', url: 'https://a.b/q' }, { kind: 'tls', server: 'a.b' }],
      },
    },
  ],
  ({ hops, intercept, socks, httpProxy }) => {
    promise(hops >= 1 && hops <= 4, 'a path has 1 to 4 hops')
    for (const proxy of [socks, httpProxy])
      promise(proxy === null || isEndpoint(proxy), 'an endpoint is an address and a port')
    return intercept === null ? 'proxy' : 'intercept'
  },
)

const hub = optionsTarget(
  'hub-options',
  hubOptionsSchema,
  [
    { ...FILES, listen: ['192.0.2.2:443'] },
    {
      ...{ ...FILES, listen: ['192.0.2.2:443', '[2001:db8::1]:1'], announce: ['198.51.100.1:443'] },
      ...{ listenNoise: ['192.0.2.2:4001'], announceNoise: ['198.51.100.1:4001'], transport: 'noise' },
      ...{ roles: { exit4: true, exit6: true, home: false } },
      ...{ exitPolicy: ['accept *:443', 'reject *:6881-6889', 'reject 203.0.113.0/24:*', 'accept [2001:db8::/32]:80'] },
      ...{ operator: 'you', family: 'yours', contact: 'you@example', capacityMbit: 0.5, drainSeconds: 1 },
      ...{ place: { latitude: 48.2, longitude: 16.37, country: 'AT', city: 'Vienna' }, limits: { links: 5 } },
    },
  ],
  (options) => {
    promise(
      [...options.listen, ...options.listenNoise, ...(options.announceNoise ?? [])].every(isEndpoint),
      'an endpoint is an address and a port',
    )
    return describeHub(options)
  },
)

const directory = optionsTarget(
  'directory-options',
  directoryOptionsSchema,
  [
    { ...FILES, listen: '192.0.2.1:80' },
    {
      ...{ ...FILES, listen: '[::]:80', epochSeconds: 60, mapLifeEpochs: 3, probeSeconds: 10 },
      ...{ addressScope: ['198.18.0.0/15', 'fd00::/8'], geo: { overridesOnly: true }, limits: { hubs: 10 } },
    },
  ],
  ({ listen }) => {
    promise(isEndpoint(listen), 'an endpoint is an address and a port')
    return 'taken'
  },
)

const KEY = 'ab'.repeat(32)
const networkFile = optionsTarget(
  'network-file',
  networkSchema,
  [
    { name: 'n', id: KEY, directories: [{ name: 'd', key: KEY, url: 'http://d.example/' }], threshold: 1 },
    {
      ...{ name: 'two', id: KEY, threshold: 2, testNetwork: true },
      directories: [
        { name: 'a', key: KEY, url: 'https://a.example:8443/base//' },
        { name: 'b', key: 'cd'.repeat(32), url: 'http://[::1]:80' },
      ],
      hubs: [{ id: KEY, addresses: ['192.0.2.7:443'], noiseAddresses: ['[::1]:4001'] }],
    },
  ],
  (file) => {
    const network = networkOf(file)
    const again = networkOf(parseOptions(networkSchema, networkFileOf(network), 'again.json'))
    promise(JSON.stringify(networkFileOf(again)) === JSON.stringify(networkFileOf(network)), 'written and read again')
    for (const { url } of network.directories) promise(URL.canParse(`${url}/v1/map`), 'requests can be made of it')
    promise(network.threshold <= network.directories.length, 'enough directories')
    return 'taken'
  },
)

const overrides: FuzzTarget = {
  name: 'overrides',
  about: 'the file of places that win over the table',
  maxBytes: 2048,
  json: true,
  seeds: () => [
    utf8(
      JSON.stringify([{ range: '198.18.1.0/24', latitude: 1, longitude: 2, country: 'AT', city: 'Vienna', asn: 3 }]),
    ),
    utf8(
      JSON.stringify([
        { range: '2001:db8::/33', latitude: -90, longitude: 180, country: 'JP' },
        { range: '::/0', latitude: 0, longitude: 0, country: 'US' },
      ]),
    ),
  ],
  run(input) {
    const value = parseJson(input)
    if (value === undefined) return 'not json'
    const read = orFault(['options-invalid'], () => Overrides.parse(value, 'fuzz.json'))
    if (typeof read === 'string') return read
    const found = [new Uint8Array(4), Uint8Array.of(198, 18, 1, 7), new Uint8Array(16), new Uint8Array(16).fill(0x20)]
      .map((address) => read.lookup(address))
      .filter((location) => location !== undefined)
    for (const { place, asn } of found) {
      promise(Math.abs(place.latitude) <= 90 && Math.abs(place.longitude) <= 180, 'a place is on Earth')
      promise(Number.isInteger(asn) && asn >= 0 && asn <= 0xffff_ffff, 'an AS number has 32 bits')
    }
    return `finds ${found.length}`
  },
}

const FLAGS = { required: ['config'], optional: ['once', 'state-dir'] } as const

/** Words of a command line, with a zero byte between them. */
const commandLine: FuzzTarget = {
  name: 'command-line',
  about: 'the flags of a program',
  maxBytes: 256,
  words: ['--config', '--config=', '--', '-c', '--__proto__=1', '\0', '=', '--once'].map(utf8),
  seeds: () =>
    ['--config\0a', '--config=a\0--once\0b', '--state-dir\0--config', '--no-config\0x', '-\0--\0x'].map(utf8),
  run(input) {
    const words = Buffer.from(input).toString('utf8').split('\0')
    const read = orFault(['options-invalid'], () => parseCommandLine(words, FLAGS))
    if (typeof read === 'string') return read
    const names = Object.keys(read)
    promise(
      names.every((name) => ['config', 'once', 'state-dir'].includes(name)),
      'only flags that there are',
    )
    promise(
      Object.values(read).every((value) => typeof value === 'string'),
      'every flag has a value',
    )
    promise(typeof read.config === 'string', 'a required flag is there')
    return `flags ${names.length}`
  },
}

function isEndpoint({ ip, port }: { ip: Uint8Array; port: number }): boolean {
  return (ip.length === 4 || ip.length === 16) && Number.isInteger(port) && port >= 0 && port <= 65_535
}

export const OPTIONS_TARGETS: readonly FuzzTarget[] = [client, hub, directory, networkFile, overrides, commandLine]
