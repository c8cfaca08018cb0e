import { nobleFin, nobleMessage, nobleNameTarget, nobleOpenPayload } from '../support/noble-client.ts'
import { FRAME, nobleFrame, nobleHello, noblePad } from '../support/noble-link.ts'
import { ascii, join, u16, u32, u64 } from '../support/noble-primitives.ts'
import { chance, counting, VECTOR_NETWORK_ID } from './vector-circuits.ts'

const V4 = Uint8Array.of(93, 184, 216, 34)
const V6 = join([0x20, 0x01, 0x48, 0x60, 0x48, 0x60], new Uint8Array(8), [0x88, 0x88])
const LONG_NAME = ['a'.repeat(63), 'b'.repeat(63), 'c'.repeat(63), 'd'.repeat(61)].join('.')

export function messageVectors() {
  const targets = [
    { name: 'IPv4', kind: 1, host: '93.184.216.34', port: 443, target: join([1], V4, u16(443)) },
    { name: 'IPv6', kind: 2, host: '2001:4860:4860::8888', port: 853, target: join([2], V6, u16(853)) },
    { name: 'a name', kind: 3, host: 'www.example.com', port: 80, target: nobleNameTarget('www.example.com', 80) },
    {
      name: 'a name with a dot behind',
      kind: 3,
      host: 'a_b.x1.',
      port: 65_535,
      target: nobleNameTarget('a_b.x1.', 65_535),
    },
    { name: 'the longest name', kind: 3, host: LONG_NAME, port: 1, target: nobleNameTarget(LONG_NAME, 1) },
  ]
  const [four, six, name] = targets.map(({ target }) => target) as [Uint8Array, Uint8Array, Uint8Array]
  const text = (...parts: Uint8Array[]): string => parts.map((part) => Buffer.from(part).toString('hex')).join(' ')
  return {
    about:
      'Messages (SPEC 8) and targets (SPEC 8.1) as bytes. messages: one each; numbers as decimal digits, of several fields one behind the other. cells: application ' +
      'bytes with several messages, by their types. refused: application bytes that close the circuit. refusedTargets: ' +
      'targets that an OPEN or a CREATE can not have.',
    targets,
    messages: [
      ...targets.map(({ name, target }) => ({
        name: `OPEN, ${name}`,
        type: 1,
        value: target,
        message: nobleMessage(1, nobleOpenPayload(target)),
      })),
      { name: 'OPEN, UDP', type: 1, value: '', message: nobleMessage(1, nobleOpenPayload(join(), 2)) },
      {
        name: 'OPEN, echo to IPv4',
        type: 1,
        value: join([1], V4),
        message: nobleMessage(1, nobleOpenPayload(join([1], V4), 4)),
      },
      {
        name: 'OPEN, echo to IPv6',
        type: 1,
        value: join([2], V6),
        message: nobleMessage(1, nobleOpenPayload(join([2], V6), 4)),
      },
      { name: 'OPENED, both families', type: 2, value: '10', message: nobleMessage(2, Uint8Array.of(10)) },
      { name: 'OPEN, DNS', type: 1, value: '', message: nobleMessage(1, nobleOpenPayload(join(), 3)) },
      { name: 'OPENED, IPv4', type: 2, value: '4', message: nobleMessage(2, Uint8Array.of(4)) },
      { name: 'OPENED, IPv6', type: 2, value: '6', message: nobleMessage(2, Uint8Array.of(6)) },
      { name: 'REFUSED, connection-refused', type: 3, value: '32', message: nobleMessage(3, Uint8Array.of(0x20)) },
      { name: 'DATA, one byte', type: 4, value: Uint8Array.of(0), message: nobleMessage(4, Uint8Array.of(0)) },
      { name: 'DATA', type: 4, value: ascii('hello'), message: nobleMessage(4, ascii('hello')) },
      { name: 'FIN, nothing sent', type: 5, value: '0', message: nobleFin(0) },
      { name: 'FIN', type: 5, value: '6000000000', message: nobleFin(6_000_000_000) },
      { name: 'RESET', type: 6, value: '', message: nobleMessage(6, join()) },
      { name: 'PING', type: 7, value: '4294967297', message: nobleMessage(7, u64(4_294_967_297)) },
      { name: 'PONG', type: 8, value: '4294967297', message: nobleMessage(8, u64(4_294_967_297)) },
      {
        name: 'DATAGRAM, IPv4',
        type: 9,
        value: text(four, ascii('hello')),
        message: nobleMessage(9, join(four, ascii('hello'))),
      },
      { name: 'DATAGRAM, IPv6, empty', type: 9, value: text(six, join()), message: nobleMessage(9, six) },
      {
        name: 'DATAGRAM, a name',
        type: 9,
        value: text(name, ascii('x')),
        message: nobleMessage(9, join(name, ascii('x'))),
      },
      {
        name: 'UNREACHABLE, policy-refused',
        type: 10,
        value: `38 ${text(four)}`,
        message: nobleMessage(10, join([0x26], four)),
      },
      {
        name: 'ECHO',
        type: 11,
        value: `513 ${text(ascii('abc'))}`,
        message: nobleMessage(11, join(u16(513), ascii('abc'))),
      },
      { name: 'ECHO, empty', type: 11, value: '0 ', message: nobleMessage(11, u16(0)) },
    ],
    cells: [
      { name: 'nothing', types: [], application: new Uint8Array(440) },
      {
        name: 'three messages and filler that is not read',
        types: [4, 5, 7],
        application: join(nobleMessage(4, ascii('x')), nobleFin(1), nobleMessage(7, u64(1)), [0, 9, 9, 9]),
      },
      {
        name: 'eight datagrams',
        types: Array<number>(8).fill(9),
        application: join(...Array<Uint8Array>(8).fill(nobleMessage(9, join(four, ascii('d'))))),
      },
      { name: 'exactly full, no end mark', types: [4], application: nobleMessage(4, counting(437)) },
    ],
    refused: [
      { name: 'an unknown type', application: join([12], u16(0)) },
      { name: 'a header that is cut off', application: Uint8Array.of(4, 0) },
      { name: 'a payload that is cut off', application: join([4], u16(2), [1]) },
      { name: 'DATA without bytes', application: nobleMessage(4, join()) },
      { name: 'OPENED of family 5', application: nobleMessage(2, Uint8Array.of(5)) },
      { name: 'FIN of 7 bytes', application: nobleMessage(5, new Uint8Array(7)) },
      { name: 'RESET with a byte', application: nobleMessage(6, Uint8Array.of(0)) },
      { name: 'PING of 9 bytes', application: nobleMessage(7, new Uint8Array(9)) },
      { name: 'OPEN of the DNS with a target', application: nobleMessage(1, join([3], four)) },
      { name: 'OPEN of kind 5', application: nobleMessage(1, join([5], four)) },
      { name: 'OPEN of UDP with a target', application: nobleMessage(1, join([2], four)) },
      { name: 'OPEN of echo with a port', application: nobleMessage(1, join([4], four)) },
      { name: 'OPEN of echo to a name', application: nobleMessage(1, join([4], name)) },
      { name: 'DATAGRAM to port 0', application: nobleMessage(9, join([1], V4, u16(0), ascii('x'))) },
      { name: 'DATAGRAM to nobody', application: nobleMessage(9, join()) },
      { name: 'DATAGRAM with a peer that is cut off', application: nobleMessage(9, four.subarray(0, 6)) },
      { name: 'UNREACHABLE with a byte behind', application: nobleMessage(10, join([0x26], four, [0])) },
      { name: 'UNREACHABLE of nobody', application: nobleMessage(10, Uint8Array.of(0x26)) },
      { name: 'ECHO of one byte', application: nobleMessage(11, Uint8Array.of(1)) },
      { name: 'OPEN with a byte behind', application: nobleMessage(1, join([1], four, [0])) },
      { name: 'a good message, then a bad one', application: join(nobleMessage(4, ascii('x')), [12], u16(0)) },
    ],
    refusedTargets: [
      { name: 'port 0', target: join([1], V4, u16(0)) },
      { name: 'kind 0', target: join([0], V4, u16(443)) },
      { name: 'kind 4', target: join([4], V4, u16(443)) },
      ...[
        '',
        '.',
        'a..b',
        '-a.b',
        'a-.b',
        'a b',
        '1.2.3.4',
        'a.0x1f',
        'a.0x',
        `${'a'.repeat(64)}.b`,
        `${LONG_NAME}e`,
      ].map((name) => ({ name: `the name "${name}"`, target: nobleNameTarget(name, 80) })),
    ],
  }
}

const header = (type: number, cellClass: number, length: number, circuitId: number): Uint8Array =>
  join([type, cellClass], u16(length), u32(circuitId))

const NAMED = Object.entries(FRAME)
const isCell = (type: number): boolean => type >= FRAME.create && type <= FRAME.switch

export function frameVectors() {
  const payloads: Partial<Record<string, Uint8Array>> = {
    pad: new Uint8Array(4),
    hello: join([1], VECTOR_NETWORK_ID),
    control: ascii('control'),
    ping: chance('payload of a ping', 8),
    pong: chance('payload of a ping', 8),
    ack: Uint8Array.of(0, 0, 0, 1, 2, 3, 4, 5),
    pace: Uint8Array.of(1),
  }
  const others = NAMED.filter(([, type]) => !isCell(type)).map(([name, type]) => {
    const circuit = type === FRAME.credit || type === FRAME.close ? 0x0102_0304 : 0
    const payload = payloads[name] ?? new Uint8Array(0)
    return { name, type, class: 0, circuit, bytes: 8 + payload.length, frame: nobleFrame(type, 0, circuit, payload) }
  })
  const classesOf: Partial<Record<string, number[]>> = { create: [3, 4], answer: [1] }
  const cells = NAMED.filter(([, type]) => isCell(type)).flatMap(([name, type]) =>
    (classesOf[name] ?? [1, 2, 3, 4]).map((cellClass) => ({
      name: `${name}, class ${cellClass}`,
      type,
      class: cellClass,
      circuit: 0xffff_ffff,
      bytes: [0, 512, 2048, 4096, 16_384][cellClass] as number,
      header: header(type, cellClass, 0, 0xffff_ffff),
    })),
  )
  return {
    about:
      'Frames of a link (SPEC 10.1, 10.2). frames: whole ones that are not cells. cells: headers, with the bytes of the whole ' +
      'frame. pads: the PAD frame behind so many bytes of a write, empty if none is due. firstWrite: what a side writes ' +
      'first. refused: headers that end the link.',
    networkId: VECTOR_NETWORK_ID,
    frames: others,
    cells,
    pads: [1, 41, 503, 504, 505, 511, 512, 513, 1016, 1020, 16_384].map((written) => ({
      written,
      frame: noblePad(written),
    })),
    firstWrite: join(nobleHello(VECTOR_NETWORK_ID), noblePad(41)),
    refused: [
      { name: 'type 13', header: header(13, 0, 0, 0) },
      { name: 'a cell of class 0', header: header(FRAME.cell, 0, 0, 1) },
      { name: 'a cell of class 5', header: header(FRAME.cell, 5, 0, 1) },
      { name: 'a cell with a length', header: header(FRAME.cell, 1, 504, 1) },
      { name: 'a cell with flags 3', header: header(FRAME.cell, 1, 0x300, 1) },
      { name: 'a cell of circuit 0', header: header(FRAME.cell, 1, 0, 0) },
      { name: 'CREDIT of circuit 0', header: header(FRAME.credit, 0, 0, 0) },
      { name: 'CREDIT with a body', header: header(FRAME.credit, 0, 1, 1) },
      { name: 'CLOSE with a body', header: header(FRAME.close, 0, 1, 1) },
      { name: 'PAD of a circuit', header: header(FRAME.pad, 0, 0, 1) },
      { name: 'PAD with a class', header: header(FRAME.pad, 1, 0, 0) },
      { name: 'CONTROL that is too long', header: header(FRAME.control, 0, 16_377, 0) },
    ],
  }
}
