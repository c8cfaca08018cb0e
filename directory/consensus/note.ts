import { ByteReader } from '../../shared/base/byte-reader.ts'
import { ByteWriter } from '../../shared/base/byte-writer.ts'
import { concatBytes, equalBytes, toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { DirectoryKey, DirectoryLabel } from '../../shared/crypto/directory-key.ts'
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES } from '../../shared/crypto/ed25519.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { HASH_BYTES } from '../../shared/map/hub-map.ts'
import type { Network } from '../../shared/map/network.ts'

/** What directories tell each other, one of each kind for an epoch (SPEC section 11.8). */
export const NOTE_KINDS = ['vote', 'echo', 'log'] as const
export type NoteKind = (typeof NOTE_KINDS)[number]

export const MAX_VOTE_BYTES = 48 * 1024 * 1024
export const MAX_VOTE_ECHO_BYTES = 16 * 1024
export const MAX_LOG_ENTRY_BYTES = 1024
export const MAX_NOTE_BYTES: Readonly<Record<NoteKind, number>> = {
  vote: MAX_VOTE_BYTES,
  echo: MAX_VOTE_ECHO_BYTES,
  log: MAX_LOG_ENTRY_BYTES,
}

const LABELS: Readonly<Record<NoteKind, DirectoryLabel>> = { vote: 'spn/1 vote', echo: 'spn/1 echo', log: 'spn/1 log' }

const STATEMENT_BYTES = 4 + HASH_BYTES
/**
 *     directory key (32) | epoch u32 | SHA-256 of the body (32) | signature (64)
 *
 * The signature is over epoch and hash, so that a head alone says who said what: it is checked before the body is read,
 * and two of them that differ prove that their signer said two things.
 */
export const NOTE_HEAD_BYTES = ED25519_KEY_BYTES + STATEMENT_BYTES + ED25519_SIGNATURE_BYTES

/** A head whose signature is right. */
export interface NoteHead {
  readonly kind: NoteKind
  /** Key of a directory of the network, hexadecimal. */
  readonly signer: string
  readonly epoch: number
  /** Hexadecimal. */
  readonly hash: string
  readonly bytes: Uint8Array
}

/** A head, and the body that it names. */
export interface Note {
  readonly head: NoteHead
  readonly body: Uint8Array
}

export function signNote(
  kind: NoteKind,
  epoch: number,
  body: Uint8Array,
  key: DirectoryKey,
  networkId: Uint8Array,
): Note {
  const hash = sha256(body)
  const statement = new Uint8Array(STATEMENT_BYTES)
  new ByteWriter(statement).u32(epoch).bytes(hash)
  const bytes = concatBytes(key.publicBytes, statement, key.sign(LABELS[kind], networkId, statement))
  return { head: { kind, signer: toHex(key.publicBytes), epoch, hash: toHex(hash), bytes }, body }
}

/** @throws Fault encoding-invalid, signature-invalid also for a signer that is no directory of the network */
export function verifyHead(kind: NoteKind, head: Uint8Array, network: Network): NoteHead {
  if (head.length !== NOTE_HEAD_BYTES) throw new Fault('encoding-invalid')
  const bytes = head.slice()
  const reader = new ByteReader(bytes)
  const signer = reader.bytes(ED25519_KEY_BYTES)
  const statement = reader.bytes(STATEMENT_BYTES)
  const directory = network.directories.find(({ key }) => equalBytes(key.bytes, signer))
  if (directory === undefined || !directory.key.verify(LABELS[kind], network.id, statement, reader.rest())) {
    throw new Fault('signature-invalid')
  }
  const said = new ByteReader(statement)
  return { kind, signer: toHex(signer), epoch: said.u32(), hash: toHex(said.rest()), bytes }
}

/** @throws Fault document-too-large; encoding-invalid for another body than the head names */
export function verifyBody(head: NoteHead, body: Uint8Array): Note {
  const maxBytes = MAX_NOTE_BYTES[head.kind]
  if (body.length > maxBytes) throw new Fault('document-too-large', { bytes: body.length, maxBytes })
  if (toHex(sha256(body)) !== head.hash) throw new Fault('encoding-invalid')
  return { head, body }
}

/** Head and body in one: what a directory answers when it is asked for a note. */
export function encodeNote({ head, body }: Note): Uint8Array {
  return concatBytes(head.bytes, body)
}

/** @throws Fault document-too-large, encoding-invalid, signature-invalid */
export function verifyNote(kind: NoteKind, bytes: Uint8Array, network: Network): Note {
  return verifyBody(verifyHead(kind, bytes.subarray(0, NOTE_HEAD_BYTES), network), bytes.subarray(NOTE_HEAD_BYTES))
}
