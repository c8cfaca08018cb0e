import { describe, expect, test } from '@jest/globals'
import { decodeEcho, encodeEcho } from '../../../directory/consensus/echo.ts'
import { decodeLogEntry, encodeLogEntry } from '../../../directory/consensus/log-entry.ts'
import {
  encodeNote,
  MAX_VOTE_ECHO_BYTES,
  NOTE_HEAD_BYTES,
  NOTE_KINDS,
  type NoteHead,
  type NoteKind,
  signNote,
  verifyNote,
} from '../../../directory/consensus/note.ts'
import { DirectoryKey } from '../../../shared/crypto/directory-key.ts'
import { faultOf } from '../../support/fault-of.ts'
import { EPOCH, NETWORK_ID, networkWith } from '../../support/map-fixtures.ts'

const { network, keys } = networkWith(3, 2)
const [a, b] = keys as [DirectoryKey, DirectoryKey]
const BODY = Uint8Array.of(1, 2, 3)
const note = (kind: NoteKind, key = a, body = BODY, epoch = EPOCH, id = NETWORK_ID) =>
  encodeNote(signNote(kind, epoch, body, key, id))
const voteHead = (key: DirectoryKey, body = BODY, epoch = EPOCH): NoteHead =>
  signNote('vote', epoch, body, key, NETWORK_ID).head

describe('a note', () => {
  test.each(NOTE_KINDS)('of the kind %s says who said it, for which epoch, and what', (kind) => {
    const { head, body } = verifyNote(kind, note(kind), network)
    expect([head.kind, head.epoch, head.signer, body]).toEqual([
      ...[kind, EPOCH, Buffer.from(a.publicBytes).toString('hex')],
      BODY,
    ])
  })

  test('is worth nothing as another kind, in another network, or of a stranger', () => {
    const wrong = NOTE_KINDS.flatMap((made) => NOTE_KINDS.filter((kind) => kind !== made).map((kind) => [made, kind]))
    for (const [made, kind] of wrong as [NoteKind, NoteKind][]) {
      expect(faultOf(() => verifyNote(kind, note(made), network)).code).toBe('signature-invalid')
    }
    const elsewhere = note('vote', a, BODY, EPOCH, new Uint8Array(32))
    expect(faultOf(() => verifyNote('vote', elsewhere, network)).code).toBe('signature-invalid')
    const strangers = note('vote', DirectoryKey.generate())
    expect(faultOf(() => verifyNote('vote', strangers, network)).code).toBe('signature-invalid')
  })

  test('is refused with any byte changed, cut, or longer', () => {
    const right = note('log')
    for (const at of right.keys()) {
      const changed = right.with(at, (right[at] as number) ^ 1)
      expect(faultOf(() => verifyNote('log', changed, network)).code).toBe(
        at < NOTE_HEAD_BYTES ? 'signature-invalid' : 'encoding-invalid',
      )
      expect(faultOf(() => verifyNote('log', right.slice(0, at), network)).code).toBe('encoding-invalid')
    }
    expect(faultOf(() => verifyNote('log', Uint8Array.of(...right, 0), network)).code).toBe('encoding-invalid')
  })

  test('may be as long as its kind allows and not a byte longer', () => {
    const [longest, longer] = [0, 1].map((more) => note('echo', a, new Uint8Array(MAX_VOTE_ECHO_BYTES + more)))
    expect(verifyNote('echo', longest!, network).body).toHaveLength(MAX_VOTE_ECHO_BYTES)
    expect(faultOf(() => verifyNote('echo', longer!, network)).code).toBe('document-too-large')
  })
})

describe('an echo', () => {
  test('has the heads of votes in one order, whatever the order in which they came', () => {
    const heads = [voteHead(a), voteHead(b), voteHead(b, Uint8Array.of(9))]
    const body = encodeEcho(heads)
    expect(encodeEcho(heads.toReversed())).toEqual(body)
    expect(new Set(decodeEcho(body, EPOCH, network).map(({ hash }) => hash)).size).toBe(2)
    expect(decodeEcho(encodeEcho([]), EPOCH, network)).toEqual([])
  })

  test('is refused out of order, with a head twice, cut, of another epoch or of another kind', () => {
    const [first, second] = [voteHead(a), voteHead(b)].toSorted((x, y) => Buffer.compare(x.bytes, y.bytes)) as [
      NoteHead,
      NoteHead,
    ]
    const code = (...parts: Uint8Array[]) =>
      faultOf(() => decodeEcho(new Uint8Array(Buffer.concat(parts)), EPOCH, network)).code
    expect(code(second.bytes, first.bytes)).toBe('encoding-invalid')
    expect(code(first.bytes, first.bytes)).toBe('encoding-invalid')
    expect(code(first.bytes, second.bytes.slice(1))).toBe('encoding-invalid')
    expect(code(voteHead(a, BODY, EPOCH + 1).bytes)).toBe('encoding-invalid')
    expect(code(signNote('log', EPOCH, BODY, a, NETWORK_ID).head.bytes)).toBe('signature-invalid')
  })

  test('has at most two heads of each directory', () => {
    const heads = Array.from({ length: 7 }, (_, i) => voteHead(a, Uint8Array.of(i)))
    expect(decodeEcho(encodeEcho(heads.slice(0, 6)), EPOCH, network)).toHaveLength(6)
    expect(faultOf(() => decodeEcho(encodeEcho(heads), EPOCH, network)).code).toBe('encoding-invalid')
  })
})

test('an entry of the log has exactly its 128 bytes', () => {
  const entry = { mapHash: new Uint8Array(32).fill(1), previousHash: new Uint8Array(32).fill(2) }
  const body = encodeLogEntry({ ...entry, mapSignature: new Uint8Array(64).fill(3) })
  expect(decodeLogEntry(body)).toEqual({ ...entry, mapSignature: new Uint8Array(64).fill(3) })
  for (let length = 0; length < body.length; length++) {
    expect(faultOf(() => decodeLogEntry(body.slice(0, length))).code).toBe('encoding-invalid')
  }
  expect(faultOf(() => decodeLogEntry(Uint8Array.of(...body, 0))).code).toBe('encoding-invalid')
})
