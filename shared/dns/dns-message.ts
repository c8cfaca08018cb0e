import { DNS_FLAGS, DNS_HEADER_BYTES, DNS_TYPES, OPCODE_QUERY } from './dns-codes.ts'
import { serviceHints } from './service-hints.ts'

/** Lower case, without the last dot; the root is empty. Bytes that are not plain stand as `\ddd`, dots in labels too. */
export type DnsName = string

export interface DnsQuestion {
  readonly name: DnsName
  readonly type: number
  readonly class: number
}

export interface DnsRecord {
  readonly section: 'answer' | 'authority' | 'additional'
  readonly name: DnsName
  readonly type: number
  readonly class: number
  /** Seconds; above 2³¹ it counts as 0 (RFC 2181, section 8). Of an OPT record something else. */
  readonly ttl: number
  /** Where the record, its TTL and its data begin, and where it ends. */
  readonly start: number
  readonly ttlAt: number
  readonly dataAt: number
  readonly end: number
}

/** The structure of a message (RFC 1035, section 4), with places in its bytes. */
export interface DnsMessage {
  readonly id: number
  readonly flags: number
  readonly opcode: number
  /** The four bits of the header. */
  readonly rcode: number
  readonly questions: readonly DnsQuestion[]
  /** Where the questions end. */
  readonly questionsEnd: number
  readonly records: readonly DnsRecord[]
}

const MAX_NAME_BYTES = 255
/** A compressed name needs one or two; a chain of them would only cost time. */
const MAX_POINTERS = 16
const POINTER = 0xc0

/**
 * Messages stay bytes here: what is passed on is changed only at the places of identifier and TTL. `dns-packet` gives
 * values without their places, accepts more than one whole message, and loses what it does not know when it writes them
 * again; it is what the tests compare with.
 *
 * Undefined unless the bytes are one whole well-formed message and nothing else. Names in data are not looked at.
 */
export function readMessage(bytes: Uint8Array): DnsMessage | undefined {
  if (bytes.length < DNS_HEADER_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const flags = view.getUint16(2)
  const [questionCount, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => view.getUint16(at))
  const questions: DnsQuestion[] = []
  let at = DNS_HEADER_BYTES
  for (let i = 0; i < (questionCount as number); i++) {
    const name = readName(bytes, at, 0)
    if (name === undefined || name.end + 4 > bytes.length) return undefined
    questions.push({ name: name.text, type: view.getUint16(name.end), class: view.getUint16(name.end + 2) })
    at = name.end + 4
  }
  const questionsEnd = at
  const records: DnsRecord[] = []
  const counts = [
    ['answer', answers],
    ['authority', authorities],
    ['additional', additionals],
  ] as const
  for (const [section, count] of counts) {
    for (let i = 0; i < (count as number); i++) {
      const record = readRecord(bytes, view, at, section)
      if (record === undefined) return undefined
      records.push(record)
      at = record.end
    }
  }
  if (at !== bytes.length) return undefined
  const opcode = (flags >> 11) & 0x0f
  return { id: view.getUint16(0), flags, opcode, rcode: flags & 0x0f, questions, questionsEnd, records }
}

function readRecord(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  section: DnsRecord['section'],
): DnsRecord | undefined {
  const name = readName(bytes, start, MAX_POINTERS)
  if (name === undefined || name.end + 10 > bytes.length) return undefined
  const ttlAt = name.end + 4
  const dataAt = name.end + 10
  const end = dataAt + view.getUint16(name.end + 8)
  if (end > bytes.length) return undefined
  const ttl = view.getUint32(ttlAt)
  return {
    ...{ section, name: name.text, type: view.getUint16(name.end), class: view.getUint16(name.end + 2) },
    ...{ ttl: ttl > 0x7fff_ffff ? 0 : ttl, start, ttlAt, dataAt, end },
  }
}

/** A name and where the bytes behind it begin. Pointers only lead to the front, so that they end. */
function readName(bytes: Uint8Array, start: number, maxPointers: number): { text: string; end: number } | undefined {
  const labels: string[] = []
  let total = 1
  let at = start
  let before = start
  let end: number | undefined
  let pointers = 0
  for (;;) {
    const length = bytes[at]
    if (length === undefined) return undefined
    if (length === 0) return { text: labels.join('.'), end: end ?? at + 1 }
    if (length >= POINTER) {
      const low = bytes[at + 1]
      if (low === undefined || ++pointers > maxPointers) return undefined
      end ??= at + 2
      at = ((length & 0x3f) << 8) | low
      if (at >= before) return undefined
      before = at
      continue
    }
    total += length + 1
    if (length > 63 || total > MAX_NAME_BYTES || at + 1 + length > bytes.length) return undefined
    labels.push(readLabel(bytes.subarray(at + 1, at + 1 + length)))
    at += length + 1
  }
}

const PLAIN = /^[\x21-\x2d\x2f-\x5b\x5d-\x7e]*$/

function readLabel(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  return (PLAIN.test(text) ? text : [...bytes].map(plainByte).join('')).toLowerCase()
}

function plainByte(byte: number): string {
  const text = String.fromCharCode(byte)
  return PLAIN.test(text) ? text : `\\${String(byte).padStart(3, '0')}`
}

/** Does the message ask one question of the internet, and nothing else? */
export function isPlainQuery(message: DnsMessage): boolean {
  const { opcode, flags, questions } = message
  return (flags & DNS_FLAGS.response) === 0 && opcode === OPCODE_QUERY && questions.length === 1
}

/** Is it a response to this question and no other? */
export function answersQuestion(message: DnsMessage, { name, type, class: class_ }: DnsQuestion): boolean {
  const first = message.questions[0]
  if ((message.flags & DNS_FLAGS.response) === 0 || message.opcode !== OPCODE_QUERY) return false
  return message.questions.length === 1 && first?.name === name && first.type === type && first.class === class_
}

/**
 * Addresses in the answer, 4 or 16 bytes each: of records of addresses and of services. Of any class, which not every
 * program looks at. Views into `bytes`.
 */
export function addressesIn(bytes: Uint8Array, message: DnsMessage): Uint8Array[] {
  return message.records.flatMap(({ section, type, dataAt, end }) => {
    if (section !== 'answer') return []
    const data = bytes.subarray(dataAt, end)
    if (type === DNS_TYPES.svcb || type === DNS_TYPES.https) return serviceHints(data)
    const wanted = type === DNS_TYPES.a ? 4 : type === DNS_TYPES.aaaa ? 16 : 0
    return wanted > 0 && data.length === wanted ? [data] : []
  })
}
