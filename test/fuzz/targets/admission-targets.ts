import { decodeListFile, encodeListFile } from '../../../directory/admission/list-file.ts'
import { rangeOf } from '../../../directory/byte-range.ts'
import { concatBytes, equalBytes, toHex, utf8 } from '../../../shared/base/bytes.ts'
import { FamilyKey } from '../../../shared/crypto/family-key.ts'
import { OperatorKey, OperatorPublicKey } from '../../../shared/crypto/operator-key.ts'
import { familyName, familyProof, provedFamily } from '../../../shared/map/family.ts'
import { NETWORK_ID } from '../../support/map-fixtures.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { orFault } from './document-targets.ts'

const SEED = new Uint8Array(32).fill(0x33)
const OPERATOR = OperatorKey.fromSeed(SEED)
const OPERATOR_PUBLIC = new OperatorPublicKey(OPERATOR.publicBytes)
const SIGNED = 1

/** is it to be signed u8 | the file, or what is signed in it */
const listFile: FuzzTarget = {
  name: 'list-file',
  about: 'the lists of an operator, also with mistakes that are signed',
  maxBytes: 2048,
  words: ['"verdict":"banned"', '"subject":"country"', '"value":"AT"', '"reason":"x"', '"number":', '"__proto__":'].map(
    utf8,
  ),
  seeds: () => {
    const entry = { verdict: 'banned', subject: 'country', value: 'AT', reason: 'x' } as const
    const file = encodeListFile({ number: 7, entries: [entry] }, OPERATOR, NETWORK_ID)
    return [concatBytes(Uint8Array.of(0), file), concatBytes(Uint8Array.of(SIGNED), file.subarray(129))]
  },
  run(input) {
    const body = input.subarray(1)
    const isSigned = input[0] === SIGNED
    const head = isSigned ? utf8(`${toHex(OPERATOR.sign('spn/1 lists', NETWORK_ID, body))}\n`) : new Uint8Array(0)
    const read = orFault(['encoding-invalid', 'signature-invalid', 'options-invalid'], () =>
      decodeListFile(concatBytes(head, body), OPERATOR_PUBLIC, NETWORK_ID),
    )
    if (typeof read === 'string') return read
    promise(read.number > 0 && read.entries.every(({ reason }) => reason !== ''), 'lists are as the schema has them')
    const again = decodeListFile(encodeListFile(read, OPERATOR, NETWORK_ID), OPERATOR_PUBLIC, NETWORK_ID)
    promise(JSON.stringify(again) === JSON.stringify(read), 'and the same when they are written and read again')
    return `${read.entries.length} entries`
  },
}

const FAMILY = FamilyKey.fromSeed(SEED)
const HUB_ID = new Uint8Array(32).fill(0x44)
const PROOF = familyProof(FAMILY, HUB_ID, NETWORK_ID)

const familyText: FuzzTarget = {
  name: 'family-proof',
  about: 'what a hub says of its family',
  maxBytes: 160,
  words: ['=', '-', '_', 'AAAA'].map(utf8),
  seeds: () => [utf8(PROOF), new Uint8Array(0), utf8(familyName(FAMILY.publicBytes))],
  run(input) {
    const name = provedFamily(Buffer.from(input).toString('utf8'), HUB_ID, NETWORK_ID)
    if (name === undefined || name === '') return `${name}`
    promise(equalBytes(input, utf8(PROOF)), 'one text proves, the one that the family made')
    return 'proved'
  },
}

/** length of the document u8 | header */
const range: FuzzTarget = {
  name: 'byte-range',
  about: 'the part of a document that is asked for',
  maxBytes: 64,
  words: ['bytes=', '-', ',', '0', '9999999999999999'].map(utf8),
  seeds: () =>
    ['bytes=0-1', 'bytes=-5', 'bytes=7-', 'bytes=3-1', 'x'].map((text) => concatBytes(Uint8Array.of(9), utf8(text))),
  run(input) {
    const length = input[0] ?? 0
    const found = rangeOf(Buffer.from(input.subarray(1)).toString('latin1'), length)
    if (typeof found !== 'object') return `${found}`
    promise(found.from >= 0 && found.from < found.to && found.to <= length, 'a part is a part')
    return 'part'
  },
}

export const ADMISSION_TARGETS: readonly FuzzTarget[] = [listFile, familyText, range]
