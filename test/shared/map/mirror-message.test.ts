import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../../shared/base/bytes.ts'
import {
  decodeHeadline,
  decodeMirrorAnswerHead,
  decodeMirrorRequest,
  decodeSignedTime,
  encodeHeadline,
  encodeMirrorAnswerHead,
  encodeMirrorRequest,
  encodeSignedTime,
  MAX_PIECE_BYTES,
  MIRROR_ANSWER_HEAD_BYTES,
  MIRROR_PROTOCOL,
  MIRROR_REQUEST_BYTES,
  type MirrorRequest,
  pieceBytes,
} from '../../../shared/map/mirror-message.ts'
import { faultOf } from '../../support/fault-of.ts'
import { hex } from '../../support/hex.ts'
import { specSection, specTable } from '../../support/spec-text.ts'

const A = new Uint8Array(32).fill(0xaa)
const B = new Uint8Array(32).fill(0xbb)
const aa = 'aa'.repeat(32)
const bb = 'bb'.repeat(32)
const zeros = '00'.repeat(32)

const REQUESTS: readonly [name: string, request: MirrorRequest, bytes: string][] = [
  ['the newest map', { kind: 'head' }, `01 00000000 ${zeros} ${zeros}`],
  ['the map with this hash', { kind: 'map', hash: A, offset: 65_536 }, `02 00010000 ${aa} ${zeros}`],
  ['the diff between these maps', { kind: 'diff', from: A, to: B, offset: 1 }, `03 00000001 ${aa} ${bb}`],
  ['the bundle of circuit keys', { kind: 'keys', hash: B, offset: 0 }, `04 00000000 ${bb} ${zeros}`],
  ['the key diff', { kind: 'keyDiff', from: A, to: B, offset: 0 }, `05 00000000 ${aa} ${bb}`],
  ['the time', { kind: 'time', nonce: A, directory: B }, `06 00000000 ${aa} ${bb}`],
]

describe('a question to a mirror', () => {
  test.each(REQUESTS)('for %s has these bytes, and is read again', (_, request, bytes) => {
    expect(toHex(encodeMirrorRequest(request))).toBe(bytes.replaceAll(' ', ''))
    expect(decodeMirrorRequest(hex(bytes))).toEqual(request)
  })

  test('of every kind stands in the SPEC with its number', () => {
    const numbers = REQUESTS.map(([, , bytes]) => String(Number.parseInt(bytes.slice(0, 2), 16)))
    expect(specTable('11.13').map(([number]) => number)).toEqual(numbers)
    for (const [i, [name]] of REQUESTS.entries()) expect(specTable('11.13')[i]?.[1]).toContain(name)
    expect(specSection('11.13')).toContain(`\`${MIRROR_PROTOCOL}\``)
    expect(specSection('11.13')).toContain(`A question has ${MIRROR_REQUEST_BYTES} bytes`)
  })

  test.each(REQUESTS)('for %s is refused if it is cut or longer', (_, _request, bytes) => {
    const whole = hex(bytes)
    for (let length = 0; length < whole.length; length++) {
      expect(faultOf(() => decodeMirrorRequest(whole.subarray(0, length))).code).toBe('encoding-invalid')
    }
    expect(faultOf(() => decodeMirrorRequest(new Uint8Array([...whole, 0]))).code).toBe('encoding-invalid')
  })

  test('of a kind that there is not is refused', () => {
    for (let kind = 0; kind < 256; kind++) {
      const read = () => decodeMirrorRequest(hex(`01 00000000 ${zeros} ${zeros}`).with(0, kind))
      if (kind === 0 || kind > 6) expect(faultOf(read).code).toBe('encoding-invalid')
      else expect(read).not.toThrow()
    }
  })

  test.each([
    ['head with an offset', `01 00000001 ${zeros} ${zeros}`],
    ['head with a hash', `01 00000000 ${aa} ${zeros}`],
    ['map with two hashes', `02 00000000 ${aa} ${bb}`],
    ['bundle with two hashes', `04 00000000 ${aa} ${bb}`],
    ['time with an offset', `06 00000001 ${aa} ${bb}`],
  ])('that says something where there is nothing to say is refused: %s', (_, bytes) => {
    expect(faultOf(() => decodeMirrorRequest(hex(bytes))).code).toBe('encoding-invalid')
  })

  test('is copied: the bytes that it came in may be used again', () => {
    const bytes = encodeMirrorRequest({ kind: 'map', hash: A, offset: 0 })
    const request = decodeMirrorRequest(bytes)
    bytes.fill(0)
    expect(request).toEqual({ kind: 'map', hash: A, offset: 0 })
  })
})

describe('the head of an answer', () => {
  test.each([
    ['found', 70_000, '00 00011170'],
    ['not-found', 0, '01 00000000'],
    ['busy', 0, '02 00000000'],
  ] as const)('%s of %i bytes', (status, total, bytes) => {
    expect(toHex(encodeMirrorAnswerHead({ status, total }))).toBe(bytes.replaceAll(' ', ''))
    expect(decodeMirrorAnswerHead(hex(bytes))).toEqual({ status, total })
  })

  test.each(['', '00', '00 000111', '00 00011170 00', '03 00000000', '00 00000000', '01 00000001', '02 00000001'])(
    'is refused: %s',
    (bytes) => {
      expect(faultOf(() => decodeMirrorAnswerHead(hex(bytes))).code).toBe('encoding-invalid')
    },
  )

  test('goes in front of a piece that is full, or goes to the end', () => {
    expect(pieceBytes(1, 0)).toBe(1)
    expect(pieceBytes(MAX_PIECE_BYTES + 1, 0)).toBe(MAX_PIECE_BYTES)
    expect(pieceBytes(MAX_PIECE_BYTES + 1, MAX_PIECE_BYTES)).toBe(1)
    expect(MIRROR_ANSWER_HEAD_BYTES).toBe(5)
  })
})

describe('a short document', () => {
  test('is a head', () => {
    expect(toHex(encodeHeadline({ epoch: 0x01020304, hash: A }))).toBe(`01020304${aa}`)
    expect(decodeHeadline(hex(`01020304 ${aa}`))).toEqual({ epoch: 0x01020304, hash: A })
    expect(faultOf(() => decodeHeadline(hex(`01020304 ${aa.slice(2)}`))).code).toBe('encoding-invalid')
    expect(faultOf(() => decodeHeadline(hex(`01020304 ${aa} 00`))).code).toBe('encoding-invalid')
  })

  test('is a time', () => {
    const time = { timeMs: 0x0102030405, signature: new Uint8Array(64).fill(0xcc) }
    const bytes = encodeSignedTime(time)
    expect(toHex(bytes)).toBe(`0000000102030405${'cc'.repeat(64)}`)
    expect(decodeSignedTime(bytes)).toEqual(time)
    expect(faultOf(() => decodeSignedTime(bytes.subarray(1))).code).toBe('encoding-invalid')
  })
})
