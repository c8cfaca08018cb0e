import { posix } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { type SourceFile, sourceFiles } from './support/source-files.ts'

/** What a folder may import besides itself: folders, or single files. */
interface ImportRule {
  readonly from: string
  readonly may: readonly string[]
  readonly because: string
}

/** The longest `from` that holds a file is its rule. */
const IMPORT_RULES: readonly ImportRule[] = [
  { from: 'shared/base', may: [], because: 'everything stands on it' },
  { from: 'shared/native', may: [], because: 'it wraps what OpenSSL offers, and knows nobody who uses it' },
  {
    from: 'shared/crypto',
    may: ['shared/base', 'shared/native'],
    because: 'keys know nothing of what they are used for',
  },
  {
    from: 'shared/cell',
    may: ['shared/base', 'shared/crypto'],
    because: 'cells are bytes and layers; links and circuits move them',
  },
  {
    from: 'shared/geo',
    may: ['shared/base', 'shared/crypto/kdf.ts'],
    because: 'places of addresses are data of their own; tables are checked by a hash',
  },
  {
    from: 'shared/map',
    may: ['shared/base', 'shared/crypto', 'shared/geo'],
    because: 'documents say what hubs are; how to reach and use them is above',
  },
  {
    from: 'shared/link',
    may: ['shared/base', 'shared/cell', 'shared/map/link-address.ts'],
    because: 'a link moves frames for whoever is above, and dials addresses without knowing maps',
  },
  {
    from: 'shared/mirror',
    may: ['shared/base', 'shared/link', 'shared/map'],
    because: 'it carries maps over links, and is the same for whoever asks and whoever answers',
  },
  {
    from: 'shared/circuit',
    may: ['shared/base', 'shared/crypto', 'shared/cell', 'shared/link'],
    because: 'circuits run over links; maps and paths are the business of programs',
  },
  { from: 'shared/control', may: ['shared/base'], because: 'commands are lines of JSON, whatever they command' },
  { from: 'shared/dns', may: ['shared/base'], because: 'messages of the DNS know nothing of circuits or programs' },
  { from: 'client', may: ['shared'], because: 'programs share nothing but what stands in shared' },
  {
    from: 'client/navigator',
    may: ['shared/base', 'shared/cell', 'shared/geo', 'shared/map'],
    because: 'choosing is pure: it looks at maps and opens nothing',
  },
  {
    from: 'client/apps',
    may: ['shared/base', 'client/native', 'client/interception/packet.ts'],
    because: 'whose a connection is has nothing to do with what becomes of it',
  },
  {
    from: 'client/dns',
    may: ['shared/base', 'shared/cell', 'shared/dns', 'client/apps/app.ts'],
    because: 'what is asked and answered has nothing to do with how circuits are made: it is handed streams',
  },
  {
    from: 'client/interception',
    may: ['shared/base', 'client/native', 'client/protection/exemptions.ts'],
    because: 'taking connections from the system knows nothing of what becomes of them',
  },
  {
    from: 'client/protection',
    may: ['shared/base', 'client/interception', 'client/native'],
    because: 'it keeps the firewall, and knows nothing of circuits',
  },
  {
    from: 'client/rules',
    may: ['shared/base', 'shared/cell', 'shared/geo', 'client/navigator/wish.ts', 'client/navigator/profiles.ts'],
    because: 'judging is pure: it knows what a flow is, and nobody who asks',
  },
  { from: 'client/native', may: ['shared/base'], because: 'it wraps what the system offers' },
  { from: 'hub/native', may: ['shared/base'], because: 'it wraps what the system offers' },
  {
    from: 'hub',
    may: ['shared'],
    because: 'programs share nothing but what stands in shared',
  },
  {
    from: 'directory',
    may: ['shared/base', 'shared/control', 'shared/crypto', 'shared/geo', 'shared/link', 'shared/map'],
    because: 'a directory dials hubs and signs maps; it never sees a circuit of others',
  },
  {
    from: 'directory/measure',
    may: [
      ...['shared/base', 'shared/circuit', 'shared/geo', 'shared/link', 'shared/map'],
      ...['directory/options.ts', 'directory/prober.ts', 'directory/store.ts'],
    ],
    because: 'it measures hubs through circuits of its own, as a client does',
  },
  { from: 'deploy', may: ['shared/base', 'shared/geo'], because: 'setting up needs the table of places, no network' },
]

/** Something of the world outside, and the files that may touch it, each with what for. */
interface Edge {
  readonly what: string
  readonly pattern: RegExp
  readonly may: Readonly<Record<string, string>>
}

const imports = (module: string): RegExp => new RegExp(`^import (?!type )[^'"]*['"]${module}['"]`, 'm')
const calls = (name: string): RegExp => new RegExp(`(?<![.#\\w])${name}\\(`)

const EDGES: readonly Edge[] = [
  {
    what: 'TCP sockets (node:net)',
    pattern: imports('node:net'),
    may: {
      'client/dns/dns-listener.ts': 'answers programs that ask for names',
      'client/interception/redirect-listener.ts': 'takes the connections that the system redirects',
      'client/proxy/proxy-server.ts': 'listens for apps',
      'hub/happy-eyeballs.ts': 'connects to destinations',
      'shared/control/control-client.ts': 'asks a running program',
      'shared/control/control-server.ts': 'answers commands for a running program',
      'shared/dns/plain-query.ts': 'asks name servers what does not fit into a packet',
    },
  },
  {
    what: 'TLS (node:tls)',
    pattern: imports('node:tls'),
    may: {
      'client/circuit-http.ts': 'speaks HTTPS to directories through circuits',
      'client/dns/tunnel-upstreams.ts': 'speaks TLS to DNS servers through circuits',
      'directory/measure/download.ts': 'downloads from the sink of measurements',
      'directory/measure/sink.ts': 'is that sink',
      'shared/link/tls-listener.ts': 'accepts links',
      'shared/link/tls-transport.ts': 'dials links',
    },
  },
  {
    what: 'UDP sockets (node:dgram)',
    pattern: imports('node:dgram'),
    may: {
      'client/dns/dns-listener.ts': 'answers programs that ask for names',
      'client/interception/datagram-listener.ts': 'takes the datagrams that the system redirects',
      'shared/base/udp-socket.ts': 'is the UDP socket of exits and of the SOCKS proxy',
      'shared/dns/plain-query.ts': 'asks name servers',
    },
  },
  {
    what: 'names (node:dns)',
    pattern: imports('node:dns(/promises)?'),
    may: {
      'client/protection/portal-target.ts': 'asks the resolvers of a network for its portal',
      'hub/resolver.ts': 'resolves names at the exit',
    },
  },
  {
    what: 'HTTP (node:http, node:https, node:http2)',
    pattern: imports('node:http[s2]?'),
    may: {
      'client/circuit-http.ts': 'asks directories through circuits',
      'client/dns/doh-channel.ts': 'asks DNS servers through circuits',
    },
  },
  {
    what: 'HTTP (fetch)',
    pattern: calls('fetch'),
    may: { 'shared/map/direct-http.ts': 'asks directories directly' },
  },
  {
    what: 'HTTP (fastify)',
    pattern: imports('fastify'),
    may: {
      'directory/http-server.ts': 'is the interface of directories',
      'directory/metrics-server.ts': 'is what Prometheus asks',
    },
  },
  {
    what: 'files (node:fs)',
    pattern: imports('node:fs'),
    may: {
      'client/apps/process-files.ts': 'reads /proc, control groups and names of users',
      'client/control/daemon-pid.ts': 'looks whether the daemon lives',
      'client/dns/dns-service.ts': 'reads certificates that somebody wants to trust',
      'client/dns/hosts-watch.ts': 'reads the hosts file, also when it changes',
      'client/interception/echo-sockets.ts': 'reads which sockets ping',
      'client/interception/outside-interfaces.ts': 'looks where default routes lead',
      'client/interception/own-traffic.ts': 'finds the group of processes that is not intercepted',
      'client/rules/rules-file.ts': 'reads the rules and looks whether they changed',
      'client/network-print.ts': 'looks for its routes',
      'deploy/geo-table.ts': 'writes the table of places',
      'deploy/setup/addon.mjs': 'looks whether the addon is built',
      'deploy/setup/geo.mjs': 'looks whether the table of places is made',
      'deploy/setup/node-packages.mjs': 'looks whether the packages are installed',
      'deploy/setup/stamp.mjs': 'remembers what was set up',
      'deploy/setup/system-packages.mjs': 'looks for programs of the system',
      'directory/init.ts': 'looks whether a file is there that it must not overwrite',
      'shared/base/append-file.ts': 'keeps state that grows',
      'shared/base/boot-id.ts': 'tells a start of the computer from others',
      'shared/base/options.ts': 'reads configuration',
      'shared/base/state-file.ts': 'keeps state',
      'shared/control/control-server.ts': 'makes the folder of its socket and removes what is left of it',
      'shared/geo/place-table-file.ts': 'reads the table of places',
    },
  },
  {
    what: 'databases over the network (ioredis)',
    pattern: imports('ioredis'),
    may: {
      'directory/redis/redis-client.ts': 'finds the primary',
      'directory/redis/sentinel-watch.ts': 'asks whether it still is',
    },
  },
  {
    what: 'databases (node:sqlite)',
    pattern: imports('node:sqlite'),
    may: { 'directory/sqlite-store.ts': 'keeps descriptors and maps' },
  },
  {
    what: 'other programs (node:child_process)',
    pattern: imports('node:child_process'),
    may: {
      'client/interception/firewall-program.ts': 'runs the program that changes firewall rules',
      'client/protection/nft-child.ts': 'runs the program that owns the guard, and the one that tells of changes',
      'deploy/run.mjs': 'starts the right Node',
      'deploy/setup/addon.mjs': 'builds the addon',
      'deploy/setup/geo.mjs': 'makes the table of places',
      'deploy/setup/node-packages.mjs': 'runs npm',
      'deploy/setup/system-packages.mjs': 'runs the package manager of the system',
    },
  },
  {
    what: 'native addons and packages by path (node:module)',
    pattern: imports('node:module'),
    may: {
      'client/native/native.ts': 'the packet queue, the original ends of connections, and whose they are',
      'deploy/geo-table.ts': 'finds the database of places',
      'directory/geo-database.ts': 'finds it too',
      'hub/native/native.ts': 'echo sockets, and what ICMP says of datagrams',
      'shared/native/native.ts': 'the cipher of cells',
    },
  },
  {
    what: 'threads (node:worker_threads)',
    pattern: imports('node:worker_threads'),
    may: {
      'client/apps/app-finder.ts': 'starts the thread that looks through processes',
      'client/apps/search-worker.ts': 'is that thread',
      'client/interception/packet-queue.ts': 'starts the thread that answers for packets',
      'client/interception/queue-worker.ts': 'is that thread',
    },
  },
  {
    what: 'the state of this computer (node:os)',
    pattern: imports('node:os'),
    may: {
      'client/native/hurry.ts': 'puts threads that packets wait for in front',
      'client/network-print.ts': 'looks for its addresses',
      'client/own-families.ts': 'looks of which families its addresses are',
      'client/own-location.ts': 'looks for a public address of its own',
      'hub/hub.ts': 'names its own addresses, to which an exit must not connect',
    },
  },
  {
    what: 'switches of the engine (node:v8)',
    pattern: imports('node:v8'),
    may: { 'shared/base/engine.ts': 'tunes the collector' },
  },
  {
    what: 'raw cryptography (node:crypto)',
    pattern: imports('node:crypto'),
    may: {
      'deploy/setup/stamp.mjs': 'hashes what was set up',
      'shared/base/bytes.ts': 'compares in constant time',
      'shared/base/random.ts': 'is where chance comes from',
      'shared/crypto/aead.ts': 'is one of the primitives',
      'shared/crypto/ed25519.ts': 'is one of the primitives',
      'shared/crypto/kdf.ts': 'is one of the primitives',
      'shared/crypto/ml-kem.ts': 'is one of the primitives',
      'shared/crypto/x25519.ts': 'is one of the primitives',
      'shared/link/link-certificate.ts': 'makes the certificate of a link',
    },
  },
  {
    what: 'the environment and the process',
    pattern: /(?<![.\w])process\.(?!nextTick)\w/,
    may: {
      'client/interception/firewall-program.ts': 'hands a search path to the program that it runs',
      'client/control/daemon-pid.ts': 'ends the daemon',
      'client/interception/own-traffic.ts': 'looks whether this process is in the group that is not intercepted',
      'client/main.ts': 'reads its arguments and the platform',
      'client/protection/nft-child.ts': 'ends the guard with all its programs',
      'deploy/geo-table.ts': 'reads its arguments',
      'deploy/run.mjs': 'is a program',
      'deploy/setup/addon.mjs': 'is a program',
      'deploy/setup/node-packages.mjs': 'is a program',
      'deploy/setup/system-packages.mjs': 'is a program',
      'directory/main.ts': 'reads its arguments',
      'hub/main.ts': 'reads its arguments',
      'shared/base/program.ts': 'takes signals and ends the process',
      'shared/link/link-node.ts': 'refuses to run where a library would dump keys',
    },
  },
  {
    what: 'timers',
    pattern: /(?<![.#\w])(setTimeout|setInterval|setImmediate)\(/,
    may: {
      'client/apps/app-finder.ts': 'gives up on a search that takes too long',
      'client/apps/search-worker.ts': 'lets questions come between two parts of a search',
      'client/client.ts': 'gives its parts a tick a second',
      'client/dns/hosts-watch.ts': 'looks at the hosts file again and again',
      'client/home-dialer.ts': 'dials others beside one that is slow, and again after a while',
      'client/interception/interception.ts': 'forgets old flows',
      'client/interception/packet-queue.ts': 'gives up on a thread that does not end',
      'client/interception/queue-worker.ts': 'tells how the queue is',
      'client/control/daemon-pid.ts': 'waits for the end of the daemon',
      'client/protection/guard-table.ts': 'waits until an earlier guard is gone',
      'client/protection/rule-commands.ts': 'waits until the guard of a daemon that was killed is gone',
      'client/protection/rule-watch.ts': 'looks after the rules',
      'client/proxy/proxy-server.ts': 'gives up on apps that do not ask',
      'client/rules/steps.ts': 'lets others go on while a long list is read',
      'client/service-manager.ts': 'tells that it lives',
      'directory/directory.ts': 'probes hubs and publishes maps',
      'directory/probe-keeper.ts': 'tries again to write down what a probe found',
      'directory/prober.ts': 'dials newcomers again that did not answer',
      'directory/redis/redis-link.ts': 'looks for Redis again at the start',
      'directory/redis/redis-store.ts': 'looks for newer maps',
      'hub/announcer.ts': 'repeats the descriptor',
      'hub/happy-eyeballs.ts': 'begins the next attempt, and gives up on all',
      'hub/hub.ts': 'gives its parts a tick a second, and waits for circuits to end',
      'shared/base/after.ts': 'is the timer that others are handed',
      'shared/base/others-turn.ts': 'lets others go on in the middle of long work',
      'shared/circuit/packet-lane.ts': 'gives a circuit what one turn brought together',
      'shared/circuit/socket-pump.ts': 'gives a socket what one turn brought together',
      'shared/link/link-driver.ts': 'writes at the end of a turn',
      'shared/link/link-node.ts': 'gives its links a tick a second',
      'shared/link/socket-pipe.ts': 'tells of an end that came before anybody listened',
      'shared/map/map-keeper.ts': 'fetches the next map in time',
    },
  },
  {
    what: 'the clock of the machine',
    pattern: /(?<![.\w])(Date\.now\b|new Date\(\)|Date\(\))/,
    may: {
      'client/main.ts': 'hands it to the map keeper, which carries the time of the network over a restart by it',
      'directory/open-directory.ts': 'directories make the time of the network by it',
      'hub/main.ts': 'hands it to the map keeper, which carries the time of the network over a restart by it',
    },
  },
  {
    what: 'the monotonic clock',
    pattern: /(?<![.\w])(performance\.now|process\.hrtime)\b/,
    may: { 'shared/base/clock.ts': 'is the clock that everybody is handed' },
  },
  { what: 'chance without a source', pattern: /\bMath\.random\b/, may: {} },
  {
    what: 'printing',
    pattern: /(?<![.\w])console\.\w/,
    may: {
      'client/main.ts': 'answers commands',
      'deploy/geo-table.ts': 'is a program',
      'deploy/run.mjs': 'is a program',
      'deploy/setup/addon.mjs': 'is a program',
      'deploy/setup/geo.mjs': 'is a program',
      'deploy/setup/node-packages.mjs': 'is a program',
      'deploy/setup/system-packages.mjs': 'is a program',
      'directory/main.ts': 'answers commands',
    },
  },
]

const MAX_LINES = 400
/** Names that say nothing of what is in a file. */
const EMPTY_NAMES = /(^|[-/])(utils?|helpers?|common|types?|misc|index)\.\w+$/

const all = sourceFiles()
const programs = all.filter(({ path }) => !path.startsWith('test/'))
const IMPORT = /^(?:import|export)\s(?<type>type\s)?(?:[^'";]*?\sfrom\s)?['"](?<to>\.[^'"]+)['"]/gm

interface Import {
  readonly to: string
  readonly isType: boolean
}

function importsOf({ path, code }: SourceFile): Import[] {
  return [...code.matchAll(IMPORT)].map(({ groups }) => ({
    to: posix.join(posix.dirname(path), groups?.to ?? ''),
    isType: groups?.type !== undefined,
  }))
}

const isIn = (path: string, place: string): boolean => path === place || path.startsWith(`${place}/`)

function ruleOf(path: string): ImportRule | undefined {
  return IMPORT_RULES.filter(({ from }) => isIn(path, from)).sort((a, b) => b.from.length - a.from.length)[0]
}

describe('imports', () => {
  test('go only where the rule of their folder allows', () => {
    const violations = programs.flatMap((file) => {
      const rule = ruleOf(file.path)
      if (rule === undefined) return [`${file.path}: no rule for its folder`]
      const allowed = [rule.from, ...rule.may]
      return importsOf(file)
        .filter(({ to }) => !allowed.some((place) => isIn(to, place)))
        .map(({ to }) => `${file.path} imports ${to}, but ${rule.from} must not: ${rule.because}`)
    })
    expect(violations).toEqual([])
  })

  test('are found at all, in each folder that has a rule, and each permission is used', () => {
    for (const { from, may } of IMPORT_RULES) {
      const files = programs.filter(({ path }) => ruleOf(path)?.from === from)
      expect([from, files.length > 0]).toEqual([from, true])
      const targets = files.flatMap(importsOf).map(({ to }) => to)
      const unused = may.filter((place) => !targets.some((to) => isIn(to, place)))
      expect([from, unused]).toEqual([from, []])
    }
    expect(programs.flatMap(importsOf).length).toBeGreaterThan(300)
  })

  test('lead to files that exist, by their whole names', () => {
    const paths = new Set(all.map(({ path }) => path))
    const missing = all.flatMap((file) =>
      importsOf(file)
        .filter(({ to }) => /\.(ts|mjs)$/.test(to) && !to.endsWith('.d.ts') && !paths.has(to))
        .map(({ to }) => `${file.path} -> ${to}`),
    )
    expect(missing).toEqual([])
  })

  test('of values never go in a circle', () => {
    const graph = new Map(
      programs.map((file) => [file.path, importsOf(file).flatMap(({ to, isType }) => (isType ? [] : [to]))]),
    )
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      if (done.has(path) || trail.includes(path)) return
      for (const to of graph.get(path) ?? []) visit(to, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
    expect(circles).toEqual([])
  })

  test('of programs never reach into tests', () => {
    const reaching = programs.flatMap((file) =>
      importsOf(file)
        .filter(({ to }) => isIn(to, 'test'))
        .map(() => file.path),
    )
    expect(reaching).toEqual([])
  })
})

describe('the world outside', () => {
  test.each(EDGES.map((edge) => [edge.what, edge] as const))('is touched by few files: %s', (_, { pattern, may }) => {
    const touching = programs.filter(({ code }) => pattern.test(code)).map(({ path }) => path)
    expect(touching).toEqual(Object.keys(may).sort())
  })
})

describe('files', () => {
  test(`of programs have at most ${MAX_LINES} lines`, () => {
    const long = programs.map(({ path, text }) => [path, text.split('\n').length - 1] as const)
    expect(long.filter(([, lines]) => lines > MAX_LINES)).toEqual([])
  })

  test('are named after what they hold', () => {
    expect(all.map(({ path }) => path).filter((path) => EMPTY_NAMES.test(path))).toEqual([])
    const odd = all
      .map(({ path }) => path)
      .filter((path) => !/^[a-z0-9-/]+(\.test|\.config|\.d)?\.(ts|mts|mjs|js)$/.test(path))
    expect(odd).toEqual([])
  })

  test('export by name', () => {
    const exporting = all.filter(({ code }) => /^export default\b/m.test(code)).map(({ path }) => path)
    expect(exporting.filter((path) => !path.endsWith('.config.mjs'))).toEqual([])
  })

  test('pass nothing on that is not theirs', () => {
    const barrels = all.filter(({ code }) => /^export (\*|\{[^}]*\}) from /m.test(code)).map(({ path }) => path)
    expect(barrels).toEqual([])
  })

  test('are finished', () => {
    const marks = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`)
    expect(all.filter(({ text }) => marks.test(text)).map(({ path }) => path)).toEqual([])
  })
})
