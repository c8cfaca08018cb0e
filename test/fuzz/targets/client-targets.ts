import { MAX_HEADER_BYTES, readConnect } from '../../../client/http-proxy/http-connect.ts'
import { FlowTable } from '../../../client/interception/flow-table.ts'
import { openingOf } from '../../../client/interception/opening.ts'
import { type Packet, parsePacket } from '../../../client/interception/packet.ts'
import { findPresent, removeText } from '../../../client/interception/restore-text.ts'
import {
  encodeDatagram,
  MAX_GREETING_BYTES,
  MAX_REQUEST_BYTES,
  readDatagram,
  readGreeting,
  readRequest,
  SOCKS_REPLIES,
} from '../../../client/socks/socks5.ts'
import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { concatBytes, equalBytes, utf8 } from '../../../shared/base/bytes.ts'
import { isHostName } from '../../../shared/cell/target.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

const TCP = Uint8Array.of(0x30, 0x39, 0x01, 0xbb, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0)

function ipv4(protocol: number, fragment: number, payload: Uint8Array, options = 0): Uint8Array {
  const head = new Uint8Array(20 + options * 4)
  head.set([0x45 + options, 0, 0, 60, 0, 1, fragment >> 8, fragment, 64, protocol, 0, 0, 10, 0, 0, 1, 9, 9, 9, 9])
  return concatBytes(head, payload)
}

function ipv6(next: number, ...payload: Uint8Array[]): Uint8Array {
  const head = new Uint8Array(40)
  head.set([0x60, 0, 0, 0, 0, 20, next, 64])
  head.fill(0x20, 8, 40)
  return concatBytes(head, ...payload)
}

const PACKETS: readonly Uint8Array[] = [
  ipv4(6, 0, TCP),
  ipv4(6, 0, TCP, 3),
  ipv4(17, 0x2000, TCP),
  ipv4(6, 5, TCP),
  ipv6(6, TCP),
  ipv6(0, Uint8Array.of(60, 0, 0, 0, 0, 0, 0, 0), Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0), TCP),
  ipv6(44, Uint8Array.of(6, 0, 0, 1, 0, 0, 0, 1), TCP),
  ipv4(1, 0, concatBytes(Uint8Array.of(8, 0, 1, 2, 0, 7, 0, 1), new Uint8Array(32))),
  ipv6(58, Uint8Array.of(128, 0, 1, 2, 0, 7, 0, 1), new Uint8Array(12)),
  ipv6(51, Uint8Array.of(43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0), TCP),
]

const packet: FuzzTarget = {
  name: 'packet',
  about: 'a packet of the kernel queue, cut off anywhere',
  maxBytes: 256,
  words: [Uint8Array.of(6, 0), Uint8Array.of(44, 0, 0, 0), concatBytes(new Uint8Array(10), Uint8Array.of(255, 255))],
  seeds: () => PACKETS,
  run(input) {
    const whole = parsePacket(input)
    for (let cut = 0; cut <= input.length; cut++) {
      const part = parsePacket(input.subarray(0, cut))
      if (part !== undefined) promise(whole !== undefined && agrees(part, whole), 'a part never says something else')
    }
    if (whole === undefined) return 'refused'
    promise(whole.source.length === (whole.family === 4 ? 4 : 16), 'addresses have the size of their family')
    promise(whole.source.buffer !== input.buffer, 'the result holds copies')
    return `${whole.family} ${whole.ports === undefined} ${whole.tcp === undefined} ${whole.fragment}`
  },
}

function agrees(part: Packet, whole: Packet): boolean {
  const same = part.family === whole.family && part.protocol === whole.protocol && part.fragment === whole.fragment
  const ends = equalBytes(part.source, whole.source) && equalBytes(part.destination, whole.destination)
  const ports = part.ports === undefined || JSON.stringify(part.ports) === JSON.stringify(whole.ports)
  const tcp = part.tcp === undefined || JSON.stringify(part.tcp) === JSON.stringify(whole.tcp)
  const echo = part.echo === undefined || JSON.stringify(part.echo) === JSON.stringify(whole.echo)
  return same && ends && ports && tcp && echo
}

const FLOW_LIMITS = { maxPending: 3, maxRepetitions: 3, maxSettled: 2, settledMs: 70_000 }

/** ( what u8 | argument u8 ) × n: packets of a few flows, decisions, time */
const flowTable: FuzzTarget = {
  name: 'flow-table',
  about: 'packets, decisions and time in any order',
  maxBytes: 256,
  seeds: () => [Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0), Uint8Array.of(0, 0, 0, 1, 0, 2, 0, 3, 2, 70, 0, 0, 1, 1)],
  run(input) {
    let flows = 0
    const table = new FlowTable<number>(FLOW_LIMITS, () => ++flows)
    const waiting = new Set<number>()
    let now = 0
    let handle = 0
    let asked = 0
    const give = (packets: readonly number[]): void => {
      for (const one of packets) promise(waiting.delete(one), 'every packet gets one verdict')
    }
    const reader = new ByteReader(input)
    while (reader.remaining >= 2) {
      const what = reader.u8() % 3
      const argument = reader.u8()
      if (what === 0) {
        const bytes = (PACKETS[argument >> 5] as Uint8Array).slice()
        bytes[bytes.length - 17] = argument & 0x0f
        const opening = openingOf(parsePacket(bytes))
        if (typeof opening === 'string') continue
        const decision = table.decide(opening.key, ++handle, now)
        if (decision.kind !== 'verdict') waiting.add(handle)
        if (decision.kind === 'ask') promise(decision.flow === ++asked, 'a flow is asked about once')
      } else if (what === 1) give(table.settle(argument % 16, 'tunnel', now))
      else {
        now += argument * 1000
        for (const { packets } of table.tick(now)) give(packets)
      }
      promise(table.pendingCount <= FLOW_LIMITS.maxPending, 'no more flows wait than may')
      promise(waiting.size <= FLOW_LIMITS.maxPending * 4, 'nor packets')
    }
    for (const { packets } of table.tick(now + 1_000_000)) give(packets)
    promise(table.pendingCount === 0 && waiting.size === 0, 'nothing waits for ever')
    return `asked ${Math.min(asked, 4)}`
  },
}

const socksGreeting: FuzzTarget = {
  name: 'socks-greeting',
  about: 'the greeting of SOCKS 5',
  maxBytes: 300,
  seeds: () => [Uint8Array.of(5, 1, 0), Uint8Array.of(5, 2, 2, 0, 9), Uint8Array.of(5, 0), Uint8Array.of(4, 1, 0)],
  run(input) {
    let settled: string | undefined
    for (let cut = 0; cut <= input.length; cut++) {
      const read = readGreeting(input.subarray(0, cut))
      promise(read !== undefined || cut <= MAX_GREETING_BYTES, 'whoever says too much is known by it')
      promise(typeof read !== 'object' || read.used <= cut, 'no more is used than there is')
      const text = read === undefined ? undefined : JSON.stringify(read)
      promise(settled === undefined || text === settled, 'what comes later does not change it')
      settled = text
    }
    return settled?.replace(/\d+/, 'n') ?? 'short'
  },
}

const request = (kind: number, address: Uint8Array, command = 1): Uint8Array =>
  concatBytes(Uint8Array.of(5, command, 0, kind), address, Uint8Array.of(1, 0xbb))
const named = (name: string): Uint8Array => concatBytes(Uint8Array.of(utf8(name).length), utf8(name))

const socksRequest: FuzzTarget = {
  name: 'socks-request',
  about: 'the request of SOCKS 5',
  maxBytes: 300,
  words: [named('127.0.0.1'), named('[::1]'), named('a.'), utf8('::ffff:'), Uint8Array.of(0xc3, 0x28)],
  seeds: () => [
    request(1, Uint8Array.of(9, 9, 9, 9)),
    request(4, new Uint8Array(16).fill(0x20)),
    request(3, named('example.com')),
    request(3, named('::1')),
    request(1, new Uint8Array(4), 3),
    request(2, new Uint8Array(4)),
  ],
  run(input) {
    let settled: string | undefined
    for (let cut = 0; cut <= input.length; cut++) {
      const read = readRequest(input.subarray(0, cut))
      promise(read !== undefined || cut <= MAX_REQUEST_BYTES, 'whoever says too much is known by it')
      if (typeof read === 'object' && 'target' in read) {
        const { target } = read
        promise(target.port > 0 && (target.kind === 'ip' || isHostName(target.name)), 'a target that an exit takes')
      }
      const unknownKind =
        typeof read === 'object' && 'refuse' in read && read.refuse === SOCKS_REPLIES.addressNotSupported
      const text = read === undefined ? undefined : unknownKind ? 'unknown kind' : JSON.stringify(read)
      promise(settled === undefined || text === settled, 'what comes later does not change it')
      settled = text
    }
    return /kind":"(?:ip|name)|refuse":\d|associate|unknown|malformed/.exec(settled ?? '')?.[0] ?? 'short'
  },
}

const datagramOf = (kind: number, address: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(0, 0, 0, kind), address, Uint8Array.of(1, 0xbb, 7))

const socksDatagram: FuzzTarget = {
  name: 'socks-datagram',
  about: 'a datagram of an app for the SOCKS proxy',
  maxBytes: 300,
  words: [named('127.0.0.1'), named('a.'), utf8('::ffff:')],
  seeds: () => [
    datagramOf(1, Uint8Array.of(9, 9, 9, 9)),
    datagramOf(4, new Uint8Array(16).fill(0x20)),
    datagramOf(3, named('example.com')),
    datagramOf(3, named('::1')),
  ],
  run(input) {
    const read = readDatagram(input)
    if (read === undefined) return 'dropped'
    const { target, bytes } = read
    promise(input[2] === 0, 'no fragment')
    promise(target.port > 0 && (target.kind === 'ip' || isHostName(target.name)), 'a target that an exit takes')
    promise(equalBytes(bytes, input.subarray(input.length - bytes.length)), 'the rest, whole')
    if (target.kind === 'name') return 'name'
    const again = readDatagram(encodeDatagram(target.address, target.port, bytes))
    promise(JSON.stringify(again) === JSON.stringify(read), 'what an app is sent reads like what it sends')
    return `ip ${target.address.length}`
  },
}

const CONNECT = 'CONNECT example.com:443 HTTP/1.1\r\n'
const HOST = 'Host: example.com:443\r\n'
/** So long that a few more bytes are too many. */
const LONG_FIELD = `A: ${'a'.repeat(MAX_HEADER_BYTES - 80)}\r\n`

const httpConnect: FuzzTarget = {
  name: 'http-connect',
  about: 'the request of HTTP CONNECT',
  maxBytes: MAX_HEADER_BYTES + 64,
  words: ['\r\n', '\r\n\r\n', 'Host:', '\t', '[::1]:1', 'Content-Length: 0\r\n', ' HTTP/1.0\r\n', ':65535'].map(utf8),
  seeds: () =>
    [
      `${CONNECT}${HOST}\r\n\x16\x03\x01`,
      `CONNECT 9.9.9.9:443 HTTP/1.0\r\n\r\n`,
      `CONNECT example.com:65536 HTTP/1.0\r\n\r\n`,
      `CONNECT [2001:db8::1]:443 HTTP/1.1\r\n${HOST}User-Agent: a\r\n\r\n`,
      `GET http://example.com/ HTTP/1.1\r\n${HOST}\r\n`,
      `${CONNECT}${HOST}Transfer-Encoding: chunked\r\n\r\n`,
      `${CONNECT}${HOST}${LONG_FIELD}\r\n`,
    ].map(utf8),
  run(input) {
    let settled: string | undefined
    const first = input.length > 512 ? input.length - 64 : 0 // of a long one the last bytes: each cut is read from its start
    for (let cut = first; cut <= input.length; cut++) {
      const read = readConnect(input.subarray(0, cut))
      promise(read !== undefined || cut < MAX_HEADER_BYTES, 'whoever says too much is known by it')
      if (read !== undefined && 'target' in read) {
        const { target, used } = read
        promise(used <= cut && used <= MAX_HEADER_BYTES, 'no more is used than there is, or may be')
        promise(target.port <= 65_535, 'a port has 16 bits')
        promise(target.port > 0 && (target.kind === 'ip' || isHostName(target.name)), 'a target that an exit takes')
      }
      const text = read === undefined ? undefined : JSON.stringify(read)
      promise(settled === undefined || text === settled, 'what comes later does not change it')
      settled = text
    }
    return /kind":"(?:ip|name)|refuse":\d+/.exec(settled ?? '')?.[0] ?? 'short'
  },
}

const SAVED = `*mangle
:OUTPUT ACCEPT [0:0]
:SPN_OUTPUT - [0:0]
-A OUTPUT -j SPN_OUTPUT
-A SPN_OUTPUT -m mark --mark 0x1 -j ACCEPT
COMMIT
*nat
:SPN_OLD - [0:0]
-A PREROUTING -p tcp -g SPN_OLD
COMMIT
`

const savedRules: FuzzTarget = {
  name: 'saved-rules',
  about: 'what iptables-save prints',
  maxBytes: 1024,
  words: ['*nat\n', ':SPN_', '-A OUTPUT -j SPN_X\n', 'COMMIT\n', ' -g SPN_', '\r'].map(utf8),
  seeds: () => [utf8(SAVED), utf8('')],
  run(input) {
    const present = findPresent(Buffer.from(input).toString('utf8'))
    const text = removeText(present)
    if (text === undefined) return 'nothing'
    const touched = text.split('\n').filter((line) => line !== '' && line !== 'COMMIT' && !line.startsWith('*'))
    promise(
      touched.every((line) => /^-D [^\n]*-[jg] SPN_|^-[FX] SPN_/.test(line)),
      'only rules and chains of ours are removed',
    )
    return `tables ${present.size}`
  },
}

export const CLIENT_TARGETS: readonly FuzzTarget[] = [
  ...[packet, flowTable, socksGreeting, socksRequest, socksDatagram],
  ...[httpConnect, savedRules],
]
