import { existsSync } from 'node:fs'
import { toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { parseOptions } from '../shared/base/options.ts'
import type { Random } from '../shared/base/random.ts'
import { writeStateFile } from '../shared/base/state-file.ts'
import { DirectoryKey } from '../shared/crypto/directory-key.ts'
import { type NetworkFile, networkSchema } from '../shared/map/network.ts'
import { findDirectoryKey, saveDirectoryKey } from './directory-key-file.ts'

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
  const taken = [
    ...(existsSync(networkFile) ? [`networkFile: ${networkFile} is there already`] : []),
    ...(findDirectoryKey(stateDir) === undefined ? [] : [`stateDir: ${stateDir} holds a key already`]),
  ]
  if (taken.length > 0) throw new Fault('options-invalid', { mistakes: taken.join('\n') })
  const key = DirectoryKey.generate()
  const file: NetworkFile = {
    name: network,
    id: toHex(random.bytes(32)),
    directories: [{ name, key: toHex(key.publicBytes), url }],
    threshold: 1,
    testNetwork,
  }
  parseOptions(networkSchema, file, 'spn-directory init')
  saveDirectoryKey(stateDir, key)
  writeStateFile(networkFile, Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`), 0o644)
  return file
}
