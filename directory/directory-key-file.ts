import { join } from 'node:path'
import { wipe } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { loadState, writeStateFile } from '../shared/base/state-file.ts'
import { DirectoryKey } from '../shared/crypto/directory-key.ts'
import { ED25519_SEED_BYTES } from '../shared/crypto/ed25519.ts'

const FILE = 'directory.key'

/** The directory's key. @throws Fault state-corrupt, options-invalid if there is none yet */
export function loadDirectoryKey(folder: string): DirectoryKey {
  const key = findDirectoryKey(folder)
  if (key !== undefined) return key
  const mistakes = 'stateDir: expected a folder with a directory key; `spn-directory init` makes one'
  throw new Fault('options-invalid', { mistakes })
}

/** Undefined if there is none. @throws Fault state-corrupt */
export function findDirectoryKey(folder: string): DirectoryKey | undefined {
  return loadState(join(folder, FILE), (bytes) =>
    bytes.length === ED25519_SEED_BYTES ? DirectoryKey.fromSeed(bytes) : undefined,
  )
}

export function saveDirectoryKey(folder: string, key: DirectoryKey): void {
  const seed = key.toSeed()
  writeStateFile(join(folder, FILE), seed)
  wipe(seed)
}
