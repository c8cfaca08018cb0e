import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Fault } from './fault.ts'
import { stateFault } from './state-fault.ts'

/** Only the owner may read: keys. */
export const PRIVATE_MODE = 0o600
const PRIVATE_FOLDER_MODE = 0o700

/**
 * Replaces a file so that after a crash there is the old content or the new, never a part: written beside, synced,
 * renamed, folder synced.
 * @throws Fault state-unwritable
 */
export function writeStateFile(file: string, bytes: Uint8Array, mode = PRIVATE_MODE): void {
  try {
    makeStateFolder(dirname(file))
    replaceFile(file, bytes, mode)
  } catch (error) {
    throw stateFault('state-unwritable', file, error)
  }
}

/** Makes a folder of the state, for its owner alone, unless it is there. @throws Fault state-unwritable */
export function makeStateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE })
  } catch (error) {
    throw stateFault('state-unwritable', folder, error)
  }
}

function replaceFile(file: string, bytes: Uint8Array, mode: number): void {
  const beside = `${file}.new`
  const fd = openSync(beside, 'w', mode)
  try {
    writeFileSync(fd, bytes) // all of it: a plain write may stop in the middle when the disk is full
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(beside, file)
  const folderFd = openSync(dirname(file), 'r')
  try {
    fsyncSync(folderFd)
  } finally {
    closeSync(folderFd)
  }
}

/** The content; undefined if there is no such file. @throws Fault state-unreadable */
export function readStateFile(file: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(file))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw stateFault('state-unreadable', file, error)
  }
}

/**
 * Reads a state file and makes something of it.
 * @param parse gives undefined, or throws, for content that it can not use
 * @throws Fault state-unreadable; state-corrupt, which names the file: nothing is overwritten or made anew by itself
 */
export function loadState<T>(file: string, parse: (bytes: Uint8Array) => T | undefined): T | undefined {
  const bytes = readStateFile(file)
  if (bytes === undefined) return undefined
  let parsed: T | undefined
  try {
    parsed = parse(bytes)
  } catch (cause) {
    throw new Fault('state-corrupt', { file }, cause)
  }
  if (parsed === undefined) throw new Fault('state-corrupt', { file })
  return parsed
}
