import { parseHex, parseUtf8, toHex, utf8 } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { readStateFile, writeStateFile } from '../../shared/base/state-file.ts'
import type { OperatorKey, OperatorPublicKey } from '../../shared/crypto/operator-key.ts'
import { type HubLists, hubListsSchema } from './hub-lists.ts'

const MAX_LIST_FILE_BYTES = 4 * 1024 * 1024
/** Anybody may read what an operator thinks of hubs. */
const PUBLIC_MODE = 0o644

/**
 * The lists of an operator as a file:
 *
 *     signature, 128 hexadecimal digits ‖ line feed ‖ JSON
 *
 * The signature is over the bytes of the JSON, with the label "spn/1 lists" (SPEC section 11.19).
 */
export function encodeListFile(lists: HubLists, key: OperatorKey, networkId: Uint8Array): Uint8Array {
  const text = `${JSON.stringify(lists, undefined, 1)}\n`
  return utf8(`${toHex(key.sign('spn/1 lists', networkId, utf8(text)))}\n${text}`)
}

/** @throws Fault document-too-large, encoding-invalid, signature-invalid, options-invalid for lists with mistakes */
export function decodeListFile(bytes: Uint8Array, key: OperatorPublicKey, networkId: Uint8Array): HubLists {
  if (bytes.length > MAX_LIST_FILE_BYTES) {
    throw new Fault('document-too-large', { bytes: bytes.length, maxBytes: MAX_LIST_FILE_BYTES })
  }
  const end = bytes.indexOf(0x0a)
  const signature = parseHex(parseUtf8(bytes.subarray(0, Math.max(end, 0))) ?? '')
  const body = bytes.subarray(end + 1)
  if (end < 0 || signature === undefined) throw new Fault('encoding-invalid')
  if (!key.verify('spn/1 lists', networkId, body, signature)) throw new Fault('signature-invalid')
  return parseOptions(hubListsSchema, parseJson(body), 'the lists')
}

/** Undefined if there is no file. @throws as `decodeListFile`, Fault state-unreadable */
export function readListFile(file: string, key: OperatorPublicKey, networkId: Uint8Array): HubLists | undefined {
  const bytes = readStateFile(file)
  return bytes && decodeListFile(bytes, key, networkId)
}

/** @throws Fault state-unwritable; options-invalid for lists with mistakes, which are not written */
export function writeListFile(file: string, lists: HubLists, key: OperatorKey, networkId: Uint8Array): void {
  const checked = parseOptions(hubListsSchema, lists, 'the lists')
  writeStateFile(file, encodeListFile(checked, key, networkId), PUBLIC_MODE)
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(parseUtf8(body) ?? '')
  } catch (cause) {
    throw new Fault('encoding-invalid', {}, cause)
  }
}
