import { concatBytes, equalBytes } from '../../../shared/base/bytes.ts'
import {
  decodeHeadline,
  decodeMirrorAnswerHead,
  decodeMirrorRequest,
  decodeSignedTime,
  encodeHeadline,
  encodeMirrorAnswerHead,
  encodeMirrorRequest,
  encodeSignedTime,
  type MirrorRequest,
} from '../../../shared/map/mirror-message.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { orFault } from './document-targets.ts'

const HASH = new Uint8Array(32).fill(0x11)
const OTHER = new Uint8Array(32).fill(0x22)
const REQUESTS: readonly MirrorRequest[] = [
  { kind: 'head' },
  { kind: 'map', hash: HASH, offset: 65_536 },
  { kind: 'diff', from: HASH, to: OTHER, offset: 0 },
  { kind: 'keys', hash: HASH, offset: 0 },
  { kind: 'keyDiff', from: HASH, to: OTHER, offset: 1 },
  { kind: 'time', nonce: HASH, directory: OTHER },
]

const question: FuzzTarget = {
  name: 'mirror-question',
  about: 'what a hub is asked as a mirror',
  maxBytes: 80,
  seeds: () => REQUESTS.map(encodeMirrorRequest),
  run(input) {
    const request = orFault(['encoding-invalid'], () => decodeMirrorRequest(input))
    if (typeof request === 'string') return request
    promise(equalBytes(encodeMirrorRequest(request), input), 'there is one way to ask')
    return request.kind
  },
}

const READERS = [
  (bytes: Uint8Array) => encodeMirrorAnswerHead(decodeMirrorAnswerHead(bytes)),
  (bytes: Uint8Array) => encodeHeadline(decodeHeadline(bytes)),
] as const

/** which u8: an answer's head, a head of the log, a time */
const answer: FuzzTarget = {
  name: 'mirror-answer',
  about: 'what a mirror answers',
  maxBytes: 80,
  seeds: () => [
    concatBytes(Uint8Array.of(0), encodeMirrorAnswerHead({ status: 'found', total: 70_000 })),
    concatBytes(Uint8Array.of(0), encodeMirrorAnswerHead({ status: 'busy', total: 0 })),
    concatBytes(Uint8Array.of(1), encodeHeadline({ epoch: 7, hash: HASH })),
    concatBytes(Uint8Array.of(2), encodeSignedTime({ timeMs: 7, signature: new Uint8Array(64) })),
  ],
  run(input) {
    const which = (input[0] ?? 0) % 3
    const bytes = input.subarray(1)
    const read = READERS[which]
    if (read === undefined) {
      const time = orFault(['encoding-invalid'], () => decodeSignedTime(bytes))
      return typeof time === 'string' ? time : 'time'
    }
    const again = orFault(['encoding-invalid'], () => read(bytes))
    if (typeof again === 'string') return again
    promise(equalBytes(again, bytes), 'written and read again')
    return `read ${which}`
  },
}

export const MIRROR_TARGETS: readonly FuzzTarget[] = [question, answer]
