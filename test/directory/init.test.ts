import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  type InitOptions,
  initDirectory,
  type JoinOptions,
  joinDirectories,
  makeDirectoryKey,
} from '../../directory/init.ts'
import { findKey, KEY_KINDS, loadKey, saveKey } from '../../directory/key-files.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { faultOf } from '../support/fault-of.ts'

let folder: string
let options: InitOptions
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-init-'))
  options = {
    stateDir: join(folder, 'state'),
    networkFile: join(folder, 'public', 'network.json'),
    ...{ network: 'test', name: 'first', url: 'http://192.0.2.1:8080', testNetwork: false },
  }
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('founding a network', () => {
  test('makes the key of its first directory, which it keeps to itself, and the network file for everybody', () => {
    const file = initDirectory(options, systemRandom)
    const key = loadKey(options.stateDir, KEY_KINDS.directory)
    const network = readNetworkFile(options.networkFile)
    expect(network.directories).toMatchObject([{ name: 'first', url: 'http://192.0.2.1:8080' }])
    expect(network.directories[0]!.key.bytes).toEqual(key.publicBytes)
    expect([network.threshold, network.testNetwork, toHex(network.id)]).toEqual([1, false, file.id])
    expect(statSync(join(options.stateDir, 'directory.key')).mode & 0o777).toBe(0o600)
    expect(readFileSync(options.networkFile, 'utf8')).not.toContain(toHex(key.toSeed()))
  })

  test('gives each network an id of its own', () => {
    const [a, b] = ['a', 'b'].map((name) =>
      initDirectory(
        { ...options, stateDir: join(folder, name), networkFile: join(folder, `${name}.json`) },
        systemRandom,
      ),
    )
    expect(a!.id).not.toBe(b!.id)
    expect(a!.id).toMatch(/^[0-9a-f]{64}$/)
  })

  test('never overwrites a key or a network file, and says of both that they are there', () => {
    initDirectory(options, systemRandom)
    const before = [readFileSync(options.networkFile), readFileSync(join(options.stateDir, 'directory.key'))]
    const mistakes = String(faultOf(() => initDirectory(options, systemRandom)).details.mistakes).split('\n')
    expect(mistakes).toEqual([
      expect.stringMatching(/^networkFile: .* there already$/),
      expect.stringMatching(/^stateDir: .* already$/),
    ])
    expect([readFileSync(options.networkFile), readFileSync(join(options.stateDir, 'directory.key'))]).toEqual(before)
  })

  test.each([
    ['network file', () => writeFileSync(join(folder, 'network.json'), 'mine')],
    ['key', () => saveKey(options.stateDir, KEY_KINDS.directory, DirectoryKey.generate())],
  ])('with a %s that is there already makes neither', (_, prepare) => {
    options = { ...options, networkFile: join(folder, 'network.json') }
    prepare()
    const there = [existsSync(options.networkFile), findKey(options.stateDir, KEY_KINDS.directory) !== undefined]
    expect(faultOf(() => initDirectory(options, systemRandom)).code).toBe('options-invalid')
    expect([existsSync(options.networkFile), findKey(options.stateDir, KEY_KINDS.directory) !== undefined]).toEqual(
      there,
    )
  })

  test('with a wrong name or URL makes nothing', () => {
    const fault = faultOf(() => initDirectory({ ...options, url: 'ftp://x', network: '' }, systemRandom))
    expect(String(fault.details.mistakes).split('\n')).toHaveLength(2)
    expect([existsSync(options.networkFile), existsSync(options.stateDir)]).toEqual([false, false])
  })

  test('does not go on with a damaged key', () => {
    initDirectory(options, systemRandom)
    writeFileSync(join(options.stateDir, 'directory.key'), new Uint8Array(31))
    rmSync(options.networkFile)
    expect(faultOf(() => initDirectory(options, systemRandom)).code).toBe('state-corrupt')
    expect(faultOf(() => loadKey(options.stateDir, KEY_KINDS.directory)).code).toBe('state-corrupt')
  })
})

describe('founding a network of several directories', () => {
  const keyOptions = (name: string) => ({
    stateDir: join(folder, name),
    publicFile: join(folder, `${name}.json`),
    ...{ name, url: `http://192.0.2.1:80/${name}` },
  })
  const joinOptions = (names: readonly string[], threshold: number): JoinOptions => ({
    networkFile: join(folder, 'joined.json'),
    ...{ network: 'test', threshold, testNetwork: false },
    parts: names.map((name) => join(folder, `${name}.json`)),
  })

  test('joins the public parts of keys that each operator made, which stay with him', () => {
    const parts = ['a', 'b', 'c'].map((name) => makeDirectoryKey(keyOptions(name)))
    joinDirectories(joinOptions(['a', 'b', 'c'], 2), systemRandom)
    const network = readNetworkFile(join(folder, 'joined.json'))
    expect(network.threshold).toBe(2)
    expect(network.directories.map(({ name, key, url }) => ({ name, key: toHex(key.bytes), url }))).toEqual(parts)
    for (const [i, name] of ['a', 'b', 'c'].entries()) {
      const key = loadKey(join(folder, name), KEY_KINDS.directory)
      expect(key.publicBytes).toEqual(network.directories[i]!.key.bytes)
      expect(readFileSync(join(folder, `${name}.json`), 'utf8')).not.toContain(toHex(key.toSeed()))
    }
  })

  test('refuses a threshold that is no majority or more than all, the same part twice, and to overwrite', () => {
    for (const name of ['a', 'b', 'c', 'd']) makeDirectoryKey(keyOptions(name))
    const mistakes = (names: readonly string[], threshold: number): string =>
      String(faultOf(() => joinDirectories(joinOptions(names, threshold), systemRandom)).details.mistakes)
    expect(mistakes(['a', 'b', 'c', 'd'], 2)).toMatch(/^threshold: expected more than half/)
    expect(mistakes(['a', 'b', 'c'], 4)).toMatch(/^threshold: /)
    expect(mistakes(['a', 'b', 'a'], 2)).toMatch(/^directories: expected a different key/)
    expect(existsSync(join(folder, 'joined.json'))).toBe(false)
    joinDirectories(joinOptions(['a', 'b', 'c'], 2), systemRandom)
    expect(mistakes(['a', 'b', 'c'], 2)).toMatch(/there already$/)
    expect(faultOf(() => makeDirectoryKey(keyOptions('a'))).details.mistakes).toMatch(/there already\n.*already$/)
  })
})

describe('the key of a directory', () => {
  test('that is missing is a mistake of the configuration, which says how to make one', () => {
    const fault = faultOf(() => loadKey(options.stateDir, KEY_KINDS.directory))
    expect([fault.code, String(fault.details.mistakes)]).toEqual(['options-invalid', expect.stringContaining('init')])
  })
})
