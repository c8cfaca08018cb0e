import { existsSync } from 'node:fs'
import { toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { parseOptions, readOptions } from '../shared/base/options.ts'
import type { Random } from '../shared/base/random.ts'
import { writeStateFile } from '../shared/base/state-file.ts'
import { DirectoryKey } from '../shared/crypto/directory-key.ts'
import { type NetworkFile, networkDirectorySchema, networkSchema } from '../shared/map/network.ts'
import { findKey, KEY_KINDS, saveKey } from './key-files.ts'

export interface InitOptions {
  readonly stateDir: string
  /** Where the network file is written. */
  readonly networkFile: string
  readonly network: string
  readonly name: string
  readonly url: string
  readonly testNetwork: boolean
}

/**
 * Founds a network with this directory as its first: makes the directory's key and the network file that all programs
 * of the network need.
 * @throws Fault options-invalid also where a key or file is there already: neither is ever overwritten
 */
export function initDirectory(options: InitOptions, random: Random): NetworkFile {
  const { stateDir, networkFile, network, name, url, testNetwork } = options
  refuseTaken({ networkFile }, stateDir)
  const key = DirectoryKey.generate()
  const directories = [{ name, key: toHex(key.publicBytes), url }]
  const file: NetworkFile = { name: network, id: toHex(random.bytes(32)), directories, threshold: 1, testNetwork }
  parseOptions(networkSchema, file, 'spn-directory init')
  saveKey(stateDir, KEY_KINDS.directory, key)
  writePublicFile(networkFile, file)
  return file
}

export interface KeyOptions {
  readonly stateDir: string
  /** Where the public part is written: what the network file says of this directory. */
  readonly publicFile: string
  readonly name: string
  readonly url: string
}

/**
 * Makes the key of one directory among several. Its operator gives the public part to whoever joins them.
 * @throws Fault options-invalid also where a key or file is there already
 */
export function makeDirectoryKey({ stateDir, publicFile, name, url }: KeyOptions): NetworkFile['directories'][number] {
  refuseTaken({ publicFile }, stateDir)
  const key = DirectoryKey.generate()
  const part = { name, key: toHex(key.publicBytes), url }
  parseOptions(networkDirectorySchema, part, 'spn-directory key')
  saveKey(stateDir, KEY_KINDS.directory, key)
  writePublicFile(publicFile, part)
  return part
}

export interface JoinOptions {
  readonly networkFile: string
  readonly network: string
  /** So many directories must sign a map: more than half of them. */
  readonly threshold: number
  /** Files with the public parts of the directories. */
  readonly parts: readonly string[]
  readonly testNetwork: boolean
}

/**
 * Founds a network of several directories: joins their public parts into the network file.
 * @throws Fault options-invalid also where the file is there already, or the threshold is no majority
 */
export function joinDirectories(options: JoinOptions, random: Random): NetworkFile {
  const { networkFile, network, threshold, parts, testNetwork } = options
  refuseTaken({ networkFile })
  const directories = parts.map((part) => readOptions(networkDirectorySchema, part))
  const file: NetworkFile = { name: network, id: toHex(random.bytes(32)), directories, threshold, testNetwork }
  parseOptions(networkSchema, file, 'spn-directory join')
  if (2 * threshold <= parts.length) {
    throw new Fault('options-invalid', { mistakes: 'threshold: expected more than half of the directories' })
  }
  writePublicFile(networkFile, file)
  return file
}

function refuseTaken(files: Readonly<Record<string, string>>, stateDir?: string): void {
  const taken = Object.entries(files)
    .filter(([, file]) => existsSync(file))
    .map(([name, file]) => `${name}: ${file} is there already`)
  if (stateDir !== undefined && findKey(stateDir, KEY_KINDS.directory) !== undefined) {
    taken.push(`stateDir: ${stateDir} holds a key already`)
  }
  if (taken.length > 0) throw new Fault('options-invalid', { mistakes: taken.join('\n') })
}

function writePublicFile(file: string, content: object): void {
  writeStateFile(file, Buffer.from(`${JSON.stringify(content, undefined, 2)}\n`), 0o644)
}
