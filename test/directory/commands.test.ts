import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { HubLists } from '../../directory/admission/hub-lists.ts'
import { readListFile } from '../../directory/admission/list-file.ts'
import { KEY_KINDS, loadKey, makeKey, publicKeys, saveKey } from '../../directory/key-files.ts'
import { changeListFile, LIST_COMMANDS, type ListChange } from '../../directory/list-commands.ts'
import {
  checkDirectoryRequest,
  directoryRequest,
  hubRequest,
  signHubRequest,
  signRequestSchema,
} from '../../directory/sign-request.ts'
import { parseHex, toHex } from '../../shared/base/bytes.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { OperatorPublicKey } from '../../shared/crypto/operator-key.ts'
import { familyName, provedFamily } from '../../shared/map/family.ts'
import { faultOf } from '../support/fault-of.ts'
import { flipBit } from '../support/hex.ts'
import { NETWORK_ID, networkWith } from '../support/map-fixtures.ts'

const { network } = networkWith(1, 1)
const elsewhere = { ...network, id: flipBit(NETWORK_ID, 0) }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-commands-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const mistakesOf = (action: () => unknown): string => String(faultOf(action).details.mistakes)

describe('keys', () => {
  test('are made once, for their owner alone, and only their public parts are shown', () => {
    for (const name of ['operator', 'family'] as const) {
      makeKey(folder, name)
      const before = readFileSync(join(folder, `${name}.key`))
      expect(statSync(join(folder, `${name}.key`)).mode & 0o777).toBe(0o600)
      expect(mistakesOf(() => makeKey(folder, name))).toMatch(/there already; take another folder/)
      expect(readFileSync(join(folder, `${name}.key`))).toEqual(before)
    }
    saveKey(folder, KEY_KINDS.directory, DirectoryKey.generate())
    const family = loadKey(folder, KEY_KINDS.family).publicBytes
    expect(publicKeys(folder)).toEqual({
      directory: toHex(loadKey(folder, KEY_KINDS.directory).publicBytes),
      operator: toHex(loadKey(folder, KEY_KINDS.operator).publicBytes),
      family: toHex(family),
      familyName: familyName(family),
    })
  })

  test('that are missing are named, with the command that makes them', () => {
    expect(mistakesOf(() => publicKeys(folder))).toMatch(/holds no key; `spn-directory init`/)
    expect(mistakesOf(() => loadKey(folder, KEY_KINDS.operator))).toMatch(
      /operator\.key; `spn-directory keys --make operator`/,
    )
    expect(mistakesOf(() => loadKey(folder, KEY_KINDS.family))).toMatch(/keys --make family/)
    expect(mistakesOf(() => loadKey(folder, KEY_KINDS.directory))).toMatch(/spn-directory init/)
  })
})

describe('lists are changed by commands', () => {
  let file: string
  let operatorKey: string
  beforeEach(() => {
    makeKey(folder, 'operator')
    file = join(folder, 'lists')
    operatorKey = publicKeys(folder).operator as string
  })
  const change = (command: string, subject: string, changes: Partial<ListChange> = {}): HubLists =>
    changeListFile({
      ...{ options: { lists: { file, operatorKey } }, networkId: NETWORK_ID, keyDir: folder },
      ...{ verdict: LIST_COMMANDS[command], subject, reason: 'because', ...changes },
    })

  test('one entry after the other, in a file that the directory takes', () => {
    change('ban', 'as:64500')
    change('trust', 'country:AT')
    change('discourage', 'as:64500')
    change('unlist', 'country:AT')
    const key = new OperatorPublicKey(parseHex(operatorKey)!)
    expect(readListFile(file, key, NETWORK_ID)).toEqual({
      number: 4,
      entries: [{ verdict: 'discouraged', subject: 'as', value: '64500', reason: 'because' }],
    })
  })

  test.each<[string, string, string, (at: string) => Partial<ListChange>, RegExp]>([
    [
      'without lists in the configuration',
      'ban',
      'as:1',
      () => ({ options: {} }),
      /lists: expected in the configuration.*`spn-directory keys`/,
    ],
    ['with nobody to ban', 'ban', '', () => ({}), /expected hub:ID, family:NAME/],
    ['with a word that is none', 'ban', 'planet:earth', () => ({}), /expected hub:ID, family:NAME/],
    ['with an id that is none', 'ban', 'hub:12', () => ({}), /64 lower-case hexadecimal digits/],
    ['that trust a name which anybody can write', 'trust', 'operator:me', () => ({}), /trust its family/],
    ['without a reason', 'ban', 'as:1', () => ({ reason: '' }), /reason/],
    ['that take away what is not there', 'unlist', 'as:1', () => ({}), /is on no list/],
    ['with a folder without a key', 'ban', 'as:1', (at) => ({ keyDir: join(at, 'none') }), /keys --make operator/],
  ])('and not by commands %s, which say what to do', (_, command, subject, changes, sentence) => {
    expect(mistakesOf(() => change(command, subject, changes(folder)))).toMatch(sentence)
    expect(() => statSync(file)).toThrow()
  })

  test('and not with another key than the directory takes, or over a file that somebody changed', () => {
    change('ban', 'as:1')
    const other = join(folder, 'other')
    makeKey(other, 'operator')
    expect(mistakesOf(() => change('ban', 'as:2', { keyDir: other }))).toMatch(/--key-dir/)
    expect(faultOf(() => change('ban', 'as:2', { networkId: flipBit(NETWORK_ID, 0) })).code).toBe('signature-invalid')
  })
})

describe('a request', () => {
  test('of a hub is answered with the proof of the family', () => {
    makeKey(folder, 'family')
    const hub = HubKey.generate().publicBytes
    const request = signRequestSchema.parse(JSON.parse(JSON.stringify(hubRequest(network, toHex(hub)))))
    if (request.kind !== 'hub') throw new Error('expected a request of a hub')
    const proof = signHubRequest(request, network, loadKey(folder, KEY_KINDS.family))
    expect(provedFamily(proof, hub, NETWORK_ID)).toBe(publicKeys(folder).familyName)
    const key = loadKey(folder, KEY_KINDS.family)
    expect(mistakesOf(() => signHubRequest(request, elsewhere, key))).toMatch(/take the same file/)
    expect(mistakesOf(() => hubRequest(network, 'me'))).toMatch(/which it logs at its start/)
  })

  test('of a directory proves that it has its key, and gives its part of the network file', () => {
    const key = DirectoryKey.generate()
    const request = directoryRequest(network, key, 'new', 'http://192.0.2.9')
    const read = signRequestSchema.parse(JSON.parse(JSON.stringify(request)))
    if (read.kind !== 'directory') throw new Error('expected a request of a directory')
    const part = { name: 'new', key: toHex(key.publicBytes), url: 'http://192.0.2.9' }
    expect(checkDirectoryRequest(read, network)).toEqual(part)
    for (const changed of [
      { name: 'other' },
      { url: 'http://192.0.2.10' },
      { key: toHex(DirectoryKey.generate().publicBytes) },
    ]) {
      const fault = faultOf(() => checkDirectoryRequest({ ...read, directory: { ...part, ...changed } }, network))
      expect([fault.code, fault.details.repair]).toEqual([
        'signature-invalid',
        expect.stringMatching(/ask for a new request/),
      ])
    }
    expect(mistakesOf(() => checkDirectoryRequest(read, elsewhere))).toMatch(/take the same file/)
    expect(mistakesOf(() => directoryRequest(network, key, 'new', 'ftp://x'))).toMatch(/http:\/\//)
  })
})
