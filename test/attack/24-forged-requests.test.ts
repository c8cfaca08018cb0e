import net from 'node:net'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { readRequest } from '../../client/socks/socks5.ts'
import { exitRefusal, forbiddenKey } from '../../hub/exit-guard.ts'
import { dnsResolver } from '../../hub/resolver.ts'
import { concatBytes, utf8 } from '../../shared/base/bytes.ts'
import { type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import { isHostName, type Target } from '../../shared/cell/target.ts'
import { LoopbackDns } from '../support/dns-loopback.ts'
import { ExitScene, LOOPBACK_RANGE } from '../support/exit-scene.ts'
import { until } from '../support/until.ts'

/*
 * Server-side request forgery: a client makes the exit connect to what only the exit can reach. Each address is given in all
 * forms that programs read differently, directly and behind a name; and a name that means something else when it is asked
 * the second time (DNS rebinding).
 */

/** Addresses that nobody may be led to, as bytes; several of them are one place in many disguises. */
const FORBIDDEN: readonly string[] = [
  // unspecified, this host, loopback
  ...['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.0.0.53', '127.255.255.255', '::', '::1'],
  // private, shared, link-local, metadata services
  ...['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.255.255', '100.64.0.1'],
  ...['100.127.255.255', '169.254.0.1', '169.254.169.254', '169.254.170.2', '192.0.0.192', '168.63.129.16'],
  ...['100.100.100.200', 'fe80::1', 'febf:ffff::1', 'fec0::1', 'fc00::1', 'fd00::1', 'fdff:ffff::1', 'fd00:ec2::254'],
  // multicast, broadcast, reserved, documentation, benchmark
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '192.0.2.1', '198.51.100.1', '203.0.113.1'],
  ...[
    '198.18.0.1',
    '198.19.255.255',
    '192.0.0.1',
    '192.88.99.1',
    '192.31.196.1',
    '192.52.193.1',
    '192.175.48.1',
    'ff02::1',
    'ff0e::1',
    '2001:db8::1',
    '3fff::1',
    '100::1',
  ],
  ...['2001:2::1', '2001:10::1', '5f00::1', '4000::1', 'e000::1'],
  // IPv4 in IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64
  ...['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:169.254.169.254', '::ffff:7f00:1', '::127.0.0.1', '::10.0.0.1'],
  ...[
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::10.0.0.1',
    '2002:7f00:1::',
    '2002:a9fe:a9fe::1',
  ],
  ...['2002:c0a8:1::1', '2001:0:7f00:1::', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
]

/** Forms that some program somewhere takes for one of these addresses, and that are no address to us. */
const DISGUISES: readonly string[] = [
  ...['2130706433', '0x7f000001', '017700000001', '127.1', '127.0.1', '0x7f.0.0.1', '0177.0.0.1', '127.000.000.001'],
  ...['127.0.0.1.', '127.0.0.01', '00127.0.0.1', '0x7f.1', '1.0x7f', '3232235521', '0xc0a80001', '192.168.257', '10.1'],
  ...[
    '[::1]',
    '[::ffff:127.0.0.1]',
    '::ffff:0x7f.0.0.1',
    '::ffff:127.1',
    '::1%lo',
    '::1%25lo',
    'fe80::1%eth0',
    '::ffff:017700000001',
  ],
  ...[
    '127.0.0.1:80',
    '127.0.0.1 ',
    ' 127.0.0.1',
    '127.0.0.1\u0000',
    '１２７.0.0.1',
    '127。0。0。1',
    '①②⑦.⓪.⓪.①',
    '169.254.169.254.',
    '0',
  ],
  ...[
    '127.0.0.1#',
    '127.0.0.1/',
    '127.0.0.1%00',
    '0.0.0.0.',
    '4294967295',
    '-1',
    '127.0.0.1.1',
    '::1::',
    'localhost..',
  ],
]

/** Names that resolve to loopback on many computers. */
const NAMES = [
  'localhost',
  'localhost.',
  'ip6-localhost',
  'localhost.localdomain',
  'metadata.google.internal',
  'metadata',
]

let dialled: string[]
const nameServers: LoopbackDns[] = []

beforeEach(() => {
  dialled = []
  jest.spyOn(net, 'connect').mockImplementation(((options: { host: string }) => {
    dialled.push(options.host)
    const socket = new net.Socket()
    queueMicrotask(() => socket.destroy(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })))
    return socket
  }) as unknown as typeof net.connect)
})

afterEach(() => {
  for (const server of nameServers.splice(0)) server.close()
  jest.restoreAllMocks()
})

/** A name server that is gone after the test, also if the test fails. */
function nameServer(): LoopbackDns {
  const server = new LoopbackDns()
  nameServers.push(server)
  return server
}

async function connect(scene: ExitScene, target: Target): Promise<string> {
  const { circuit, connection } = scene.open()
  connection.connect(target)
  return until(() => circuit.refused)
}

/** An exit on the real internet: nothing is public but what is. */
function exit(resolve: (name: string) => Promise<IpAddress[]> = () => Promise.resolve([])): ExitScene {
  const scene = new ExitScene()
  scene.facts = { ...scene.facts, addressScope: [] }
  scene.resolve = resolve
  return scene
}

const bytesOf = (text: string): IpAddress => {
  const found = parseIp(text)
  if (found === undefined) throw new Error(`no address: ${text}`)
  return found
}
const web = (address: IpAddress): Target => ({ kind: 'ip', address, port: 80 })
const named = (name: string): Target => ({ kind: 'name', name, port: 80 })

test('there are more than sixty of them', () => {
  expect(new Set(FORBIDDEN).size).toBeGreaterThanOrEqual(60)
  expect(new Set(DISGUISES).size).toBeGreaterThanOrEqual(40)
})

describe.each(FORBIDDEN)('%s', (text) => {
  test('is not connected to as an address, nor unpacked by us, nor behind a name', async () => {
    const address = bytesOf(text)
    expect(await connect(exit(), web(address))).toBe('policy-refused')
    expect(
      await connect(
        exit(() => Promise.resolve([address])),
        named('evil.test'),
      ),
    ).toBe('policy-refused')
    if (address.length === 4) {
      const mapped = concatBytes(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]), address)
      expect(await connect(exit(), web(mapped))).toBe('policy-refused')
      expect(
        await connect(
          exit(() => Promise.resolve([mapped])),
          named('evil.test'),
        ),
      ).toBe('policy-refused')
    }
    expect(dialled).toEqual([])
  })

  test('is left out of the addresses of a name that has a good one too', async () => {
    const good = Uint8Array.of(93, 184, 216, 34)
    for (const found of [
      [bytesOf(text), good],
      [good, bytesOf(text)],
    ]) {
      dialled.length = 0
      expect(
        await connect(
          exit(() => Promise.resolve(found)),
          named('evil.test'),
        ),
      ).toBe('connection-refused')
      expect(dialled).toEqual(['93.184.216.34'])
    }
  })
})

describe('a disguise', () => {
  test.each(DISGUISES)('%j is no address, and no name that an exit would look up', async (text) => {
    const address = parseIp(text)
    if (address !== undefined) {
      expect(await connect(exit(), web(address))).toBe('policy-refused')
    } else {
      expect(isHostName(text)).toBe(false)
    }
    const name = utf8(text)
    const request = concatBytes(Uint8Array.of(5, 1, 0, 3, name.length), name, Uint8Array.of(0, 80))
    const read = readRequest(request)
    if (typeof read === 'object' && 'target' in read) expect(await connect(exit(), read.target)).toBe('policy-refused')
    else expect(read).toMatchObject({ refuse: 4 })
    expect(dialled).toEqual([])
  })
})

describe('a name of this computer', () => {
  test.each(NAMES)('%s is asked of the name servers alone: no hosts file knows it', async (name) => {
    const dns = nameServer()
    const resolver = dnsResolver([await dns.start()])
    expect(
      await connect(
        exit((asked) => resolver.resolve(asked)),
        named(name),
      ),
    ).toBe('name-not-found')
    dns.names = Object.fromEntries(
      [name.replace(/\.$/, '')].map((known) => [known, ['127.0.0.1', '::1', '169.254.169.254']]),
    )
    expect(
      await connect(
        exit((asked) => resolver.resolve(asked)),
        named(name),
      ),
    ).toBe('policy-refused')
    expect(dialled).toEqual([])
  })
})

describe('a name that means something else the next time', () => {
  test('is asked once; what was checked is what is connected to, and no other', async () => {
    let asked = 0
    const scene = exit(() => {
      asked++
      return Promise.resolve([asked === 1 ? Uint8Array.of(93, 184, 216, 34) : Uint8Array.of(127, 0, 0, 1)])
    })
    expect(await connect(scene, named('rebind.test'))).toBe('connection-refused')
    expect([asked, dialled]).toEqual([1, ['93.184.216.34']])
  })

  test('is checked anew for each connection', async () => {
    const answers = [Uint8Array.of(93, 184, 216, 34), Uint8Array.of(127, 0, 0, 1), Uint8Array.of(10, 0, 0, 1)]
    const scene = exit(() => Promise.resolve([answers.shift() as IpAddress]))
    const results = []
    for (let i = 0; i < 3; i++) results.push(await connect(scene, named('rebind.test')))
    expect([results, dialled]).toEqual([['connection-refused', 'policy-refused', 'policy-refused'], ['93.184.216.34']])
  })

  test('is never handed to the system: every connect has an address, whatever the name server says', async () => {
    const dns = nameServer()
    const resolver = dnsResolver([await dns.start()])
    dns.names = { 'many.test': ['93.184.216.34', '127.0.0.1', '8.8.4.4', '::1', '2606:4700::1111'] }
    dns.aaaa = { 'mapped.test': '::ffff:127.0.0.1' }
    await connect(
      exit((name) => resolver.resolve(name)),
      named('many.test'),
    )
    await connect(
      exit((name) => resolver.resolve(name)),
      named('mapped.test'),
    )
    expect([...dialled].sort()).toEqual(['2606:4700::1111', '8.8.4.4', '93.184.216.34'])
  })
})

describe('hubs and the exit itself', () => {
  test('are not connected to on any port, in any form, also where the network calls their addresses public', async () => {
    const own = ['9.9.9.9', '2a00:1450::1', '127.1.0.1']
    const scene = new ExitScene()
    scene.facts = { ...scene.facts, forbidden: new Set(own.map((text) => forbiddenKey(bytesOf(text)))) }
    for (const text of own) {
      for (const port of [1, 80, 443, 65_535]) {
        expect(await connect(scene, { ...web(bytesOf(text)), port })).toBe('policy-refused')
      }
      scene.resolve = () => Promise.resolve([bytesOf(text)])
      expect(await connect(scene, named('hub.test'))).toBe('policy-refused')
    }
    expect(await connect(scene, web(bytesOf('::ffff:9.9.9.9')))).toBe('policy-refused')
    expect(dialled).toEqual([])
    expect(exitRefusal(scene.facts, bytesOf('127.1.0.2'), 80)).toBeUndefined()
    expect(LOOPBACK_RANGE.prefix).toBe(8)
  })
})
