import { join } from 'node:path'
import { toHex, wipe } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { loadState, writeStateFile } from '../shared/base/state-file.ts'
import { DirectoryKey } from '../shared/crypto/directory-key.ts'
import { ED25519_SEED_BYTES } from '../shared/crypto/ed25519.ts'
import { FamilyKey } from '../shared/crypto/family-key.ts'
import { OperatorKey } from '../shared/crypto/operator-key.ts'
import type { SigningKey } from '../shared/crypto/signing-key.ts'
import { familyName } from '../shared/map/family.ts'

/** A kind of key in a folder of its own file. */
interface KeyKind<Key extends SigningKey<string>> {
  readonly file: string
  readonly fromSeed: (seed: Uint8Array) => Key
  readonly generate: () => Key
  /** How somebody makes one who has none. */
  readonly repair: string
}

export const KEY_KINDS = {
  directory: {
    file: 'directory.key',
    fromSeed: DirectoryKey.fromSeed,
    generate: DirectoryKey.generate,
    repair: '`spn-directory init` or `spn-directory key` makes one',
  } satisfies KeyKind<DirectoryKey>,
  operator: {
    file: 'operator.key',
    fromSeed: OperatorKey.fromSeed,
    generate: OperatorKey.generate,
    repair: '`spn-directory keys --make operator` makes one, `--key-dir` names another folder',
  } satisfies KeyKind<OperatorKey>,
  family: {
    file: 'family.key',
    fromSeed: FamilyKey.fromSeed,
    generate: FamilyKey.generate,
    repair: '`spn-directory keys --make family` makes one, `--key-dir` names another folder',
  } satisfies KeyKind<FamilyKey>,
} as const
export type KeyName = keyof typeof KEY_KINDS

/** Undefined if there is none. @throws Fault state-corrupt, state-unreadable */
export function findKey<Key extends SigningKey<string>>(
  folder: string,
  { file, fromSeed }: KeyKind<Key>,
): Key | undefined {
  return loadState(join(folder, file), (bytes) => (bytes.length === ED25519_SEED_BYTES ? fromSeed(bytes) : undefined))
}

/** @throws Fault state-corrupt, state-unreadable; options-invalid if there is none */
export function loadKey<Key extends SigningKey<string>>(folder: string, kind: KeyKind<Key>): Key {
  const key = findKey(folder, kind)
  if (key !== undefined) return key
  throw new Fault('options-invalid', { mistakes: `expected a key in ${join(folder, kind.file)}; ${kind.repair}` })
}

export function saveKey<Key extends SigningKey<string>>(folder: string, { file }: KeyKind<Key>, key: Key): void {
  const seed = key.toSeed()
  writeStateFile(join(folder, file), seed)
  wipe(seed)
}

/** Makes a key; never in place of one that is there. @throws Fault options-invalid */
export function makeKey(folder: string, name: Exclude<KeyName, 'directory'>): void {
  const kind: KeyKind<OperatorKey | FamilyKey> = KEY_KINDS[name]
  if (findKey(folder, kind) !== undefined) {
    throw new Fault('options-invalid', { mistakes: `${join(folder, kind.file)} is there already; take another folder` })
  }
  saveKey(folder, kind, kind.generate())
}

/** The public keys of a folder, in hexadecimal digits, and what maps call the family. */
export function publicKeys(folder: string): Record<string, string> {
  const kinds: readonly (readonly [KeyName, KeyKind<DirectoryKey | OperatorKey | FamilyKey>])[] = [
    ['directory', KEY_KINDS.directory],
    ['operator', KEY_KINDS.operator],
    ['family', KEY_KINDS.family],
  ]
  const found = kinds.flatMap(([name, kind]) => {
    const key = findKey(folder, kind)
    if (key === undefined) return []
    const named = name === 'family' ? [['familyName', familyName(key.publicBytes)] as const] : []
    return [[name, toHex(key.publicBytes)] as const, ...named]
  })
  if (found.length > 0) return Object.fromEntries(found)
  throw new Fault('options-invalid', {
    mistakes: `${folder} holds no key; \`spn-directory init\`, \`key\` or \`keys --make operator|family\` makes one`,
  })
}
