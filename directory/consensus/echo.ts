import { concatBytes } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { Network } from '../../shared/map/network.ts'
import { NOTE_HEAD_BYTES, type NoteHead, verifyHead } from './note.ts'

/** An echo is the heads of the votes that a directory got, in the order of their bytes, each once (SPEC section 11.8). */
export function encodeEcho(heads: readonly NoteHead[]): Uint8Array {
  return concatBytes(...heads.map(({ bytes }) => bytes).sort(Buffer.compare))
}

/** @throws Fault encoding-invalid, signature-invalid; encoding-invalid also for the head of another epoch */
export function decodeEcho(body: Uint8Array, epoch: number, network: Network): NoteHead[] {
  // A directory that says two things has two heads here, which prove it; more of it prove nothing more.
  if (body.length % NOTE_HEAD_BYTES !== 0 || body.length > 2 * network.directories.length * NOTE_HEAD_BYTES) {
    throw new Fault('encoding-invalid')
  }
  const heads: NoteHead[] = []
  for (let at = 0; at < body.length; at += NOTE_HEAD_BYTES) {
    const head = verifyHead('vote', body.subarray(at, at + NOTE_HEAD_BYTES), network)
    const before = heads.at(-1)
    if (head.epoch !== epoch || (before !== undefined && Buffer.compare(before.bytes, head.bytes) >= 0)) {
      throw new Fault('encoding-invalid')
    }
    heads.push(head)
  }
  return heads
}
