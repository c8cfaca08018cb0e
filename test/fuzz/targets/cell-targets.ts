import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { ByteWriter } from '../../../shared/base/byte-writer.ts'
import { concatBytes, equalBytes, utf8 } from '../../../shared/base/bytes.ts'
import { bodyBytesOf, bodyOf, CELL_CLASSES, type CellClass, capacityOf } from '../../../shared/cell/cell.ts'
import { giveBackFrame, takeFrame } from '../../../shared/cell/frame-pool.ts'
import {
  decodeMessages,
  encodeMessage,
  MAX_CELL_MESSAGES,
  MESSAGE_TYPES,
  type Message,
  messageBytes,
} from '../../../shared/cell/message.ts'
import { decodeOpen, encodeOpen, type Purpose } from '../../../shared/cell/purpose.ts'
import { decodeTarget, encodeTarget, isHostName, type Target } from '../../../shared/cell/target.ts'
import { CircuitSender } from '../../../shared/circuit/sender.ts'
import { cellOf } from '../../support/raw-circuit.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

export const TARGETS: readonly Target[] = [
  { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 },
  { kind: 'ip', address: new Uint8Array(16).fill(0x20), port: 1 },
  { kind: 'name', name: 'example.com', port: 65_535 },
  { kind: 'name', name: `a_b.${'c'.repeat(63)}.${'d.'.repeat(90)}test.`, port: 80 },
]

/** What circuits of packets are for. */
export const PURPOSES: readonly Purpose[] = [
  { kind: 'udp' },
  { kind: 'echo', address: Uint8Array.of(93, 184, 216, 34) },
  { kind: 'echo', address: new Uint8Array(16).fill(0x20) },
]

export const MESSAGES: readonly Message[] = [
  ...TARGETS.map((target): Message => ({ type: 'open', target })),
  { type: 'opened', family: 4 },
  { type: 'opened', family: 6 },
  { type: 'refused', reason: 0x20 },
  { type: 'data', bytes: Uint8Array.of(1, 2, 3) },
  { type: 'fin', total: 3n },
  { type: 'reset' },
  { type: 'ping', token: 7n },
  { type: 'pong', token: 2n ** 64n - 1n },
  ...PURPOSES.map((target): Message => ({ type: 'open', target })),
  { type: 'opened', family: 10 },
  ...TARGETS.map((peer): Message => ({ type: 'datagram', peer, bytes: Uint8Array.of(1, 2, 3) })),
  { type: 'unreachable', reason: 0x26, peer: TARGETS[0] as Target },
  { type: 'echo', sequence: 513, bytes: Uint8Array.of(4, 5) },
]

/** Its bytes up to the end mark, or all. */
function encodeAll(messages: readonly Message[]): Uint8Array {
  const bytes = new Uint8Array(messages.reduce((sum, message) => sum + messageBytes(message), 0))
  const writer = new ByteWriter(bytes)
  for (const message of messages) encodeMessage(message, writer)
  promise(writer.offset === bytes.length, 'a message has the size that it says')
  return bytes
}

const messages: FuzzTarget = {
  name: 'messages',
  about: 'the messages in a cell',
  maxBytes: capacityOf(2),
  words: MESSAGES.map((message) => cellOf(message)),
  seeds: () => [
    ...MESSAGES.map((message) => cellOf(message)),
    concatBytes(cellOf(...MESSAGES.slice(-MAX_CELL_MESSAGES)), new Uint8Array(9)),
  ],
  run(input) {
    const read = decodeMessages(input)
    if (read === undefined) return 'refused'
    const encoded = encodeAll(read)
    promise(equalBytes(encoded, input.subarray(0, encoded.length)), 'one way to write messages')
    promise((input[encoded.length] ?? 0) === 0, 'nothing but the end mark stands behind them')
    return `read ${read.map(({ type }) => MESSAGE_TYPES[type]).slice(0, 2)}`
  },
}

const target: FuzzTarget = {
  name: 'target',
  about: 'where an exit connects to',
  maxBytes: 300,
  words: [utf8('.'), utf8('0x1'), utf8('xn--'), utf8('127.0.0.1'), Uint8Array.of(0, 0)],
  seeds: () => [...TARGETS.map(encodeTarget), ...TARGETS.map(encodeOpen)],
  run(input) {
    const reader = new ByteReader(input)
    const read = decodeTarget(reader)
    const open = decodeOpen(new ByteReader(concatBytes(Uint8Array.of(1), input)))
    promise((open === undefined) === (read === undefined), 'an OPEN is a kind and a target')
    if (read === undefined) return 'refused'
    const used = input.subarray(0, input.length - reader.remaining)
    promise(equalBytes(encodeTarget(read), used), 'one way to write a target')
    promise(read.port > 0 && read.port < 65_536, 'a port is not 0')
    if (read.kind === 'ip') return `ip ${read.address.length}`
    promise(isHostName(read.name) && !/[^a-z0-9._-]/i.test(read.name), 'a name has letters, digits, - _ and dots')
    promise(
      !URL.canParse(`http://${read.name}`) || !/^[\d.]+$/.test(new URL(`http://${read.name}`).hostname),
      'no name is an address',
    )
    return 'name'
  },
}

const open: FuzzTarget = {
  name: 'open',
  about: 'what a circuit is for',
  maxBytes: 300,
  seeds: () => [...TARGETS, ...PURPOSES].map(encodeOpen),
  run(input) {
    const reader = new ByteReader(input)
    const read = decodeOpen(reader)
    if (read === undefined) return 'refused'
    const used = input.subarray(0, input.length - reader.remaining)
    promise(equalBytes(encodeOpen(read), used), 'one way to write it')
    if ('address' in read) promise([4, 16].includes(read.address.length), 'an address has the size of its family')
    return read.kind
  },
}

/** What an app writes, cut by a sender, is what the messages of its cells say; whatever the frames held before. */
const sender: FuzzTarget = {
  name: 'sender',
  about: 'application bytes cut into cells, in frames used before',
  maxBytes: 2048,
  seeds: () => [Uint8Array.of(0, 1), Uint8Array.of(1, 0xb5, 1, 0xb6, 2, 0), Uint8Array.of(63, 255, 255, 255, 0, 0)],
  run(input) {
    const frames: Uint8Array[] = []
    const received: Uint8Array[] = []
    const out = new CircuitSender((frame, cellClass) => {
      promise(frame.length === CELL_CLASSES[cellClass], 'a frame has the size of its class')
      const read = decodeMessages(bodyOf(frame).subarray(0, capacityOf(cellClass)))
      promise(read !== undefined && read.length === 1 && read[0]?.type === 'data', 'one DATA in each cell')
      received.push(...read.flatMap((message) => (message.type === 'data' ? [message.bytes.slice()] : [])))
      frame[1] = cellClass
      frames.push(frame)
      return true
    })
    const reader = new ByteReader(input)
    const sent: Uint8Array[] = []
    while (reader.remaining >= 2 && sent.length < 8) {
      const bytes = new Uint8Array(reader.u16()).fill(sent.length + 1)
      sent.push(bytes)
      out.sendData(bytes)
    }
    promise(equalBytes(concatBytes(...sent), concatBytes(...received)), 'all bytes, in order')
    promise(out.total === BigInt(concatBytes(...sent).length), 'as many as counted')
    for (const frame of frames) giveBackFrame(frame)
    for (const frame of frames) giveBackFrame(frame)
    promise(areDistinct(frames), 'no frame is handed out twice')
    return `classes ${[...new Set(frames.map(({ length }) => length))].sort()}`
  },
}

function areDistinct(frames: readonly Uint8Array[]): boolean {
  const taken = frames.map(({ length }) => takeFrame(classOf(length)))
  for (const frame of taken) frame[1] = classOf(frame.length)
  for (const frame of taken) giveBackFrame(frame)
  return new Set(taken).size === taken.length
}

function classOf(frameBytes: number): CellClass {
  return ([1, 2, 3, 4] as const).find((one) => bodyBytesOf(one) + 8 === frameBytes) as CellClass
}

export const CELL_TARGETS: readonly FuzzTarget[] = [messages, target, open, sender]
