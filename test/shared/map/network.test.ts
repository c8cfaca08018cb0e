import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { parseOptions } from '../../../shared/base/options.ts'
import {
  directoriesByHostName,
  type NetworkFile,
  networkFileOf,
  networkOf,
  networkSchema,
} from '../../../shared/map/network.ts'
import { readNetworkFile } from '../../../shared/map/network-file.ts'
import { faultOf } from '../../support/fault-of.ts'

const KEYS = ['11', '22', '33'].map((byte) => byte.repeat(32))
const FILE: NetworkFile = {
  name: 'test',
  id: 'ab'.repeat(32),
  directories: KEYS.map((key, i) => ({ name: `d${i}`, key, url: `https://d${i}.example` })),
  threshold: 2,
  testNetwork: false,
}
const mistakesOf = (file: unknown): string[] =>
  String(faultOf(() => parseOptions(networkSchema, file, 'network.json')).details.mistakes).split('\n')

describe('a network file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spn-network-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is read, and written again as it was', () => {
    const network = networkOf(parseOptions(networkSchema, FILE, 'network.json'))
    expect(network).toMatchObject({ name: 'test', id: new Uint8Array(32).fill(0xab), threshold: 2, testNetwork: false })
    expect(network.directories.map(({ key }) => key.bytes)).toEqual(
      [0x11, 0x22, 0x33].map((byte) => new Uint8Array(32).fill(byte)),
    )
    expect(networkFileOf(network)).toEqual(FILE)
  })

  test('is of no test network unless it says so', () => {
    const { testNetwork: _, ...without } = FILE
    expect(parseOptions(networkSchema, without, 'x').testNetwork).toBe(false)
  })

  test('may end the URL of a directory in slashes, which are not part of it', () => {
    const directories = [{ name: 'd', key: KEYS[0]!, url: 'http://192.0.2.1:8080/spn//' }]
    const network = networkOf(parseOptions(networkSchema, { ...FILE, directories, threshold: 1 }, 'x'))
    expect(network.directories[0]!.url).toBe('http://192.0.2.1:8080/spn')
  })

  test('may name hubs that have the map too, by id and addresses, and is written again with them', () => {
    const hubs = [
      { id: KEYS[0]!, addresses: ['192.0.2.7:443', '[2001:db8::7]:443'], noiseAddresses: [] },
      { id: KEYS[1]!, addresses: [], noiseAddresses: ['192.0.2.8:4001'] },
    ]
    const network = networkOf(parseOptions(networkSchema, { ...FILE, hubs }, 'network.json'))
    expect(network.hubs?.map(({ id }) => id)).toEqual([0x11, 0x22].map((byte) => new Uint8Array(32).fill(byte)))
    expect(network.hubs?.[0]?.linkAddresses[0]).toEqual({ ip: Uint8Array.of(192, 0, 2, 7), port: 443 })
    expect(networkFileOf(network)).toEqual({ ...FILE, hubs })
  })

  const [hubId] = KEYS as [string]
  const somewhere = ['192.0.2.7:443']
  test.each<[string, unknown, string]>([
    ['a hub twice', [1, 2].map(() => ({ id: hubId, addresses: somewhere })), 'hubs: expected each hub once'],
    ['a hub without an address', [{ id: hubId }], 'hubs[0].addresses: expected an address'],
    ['a hub at port 0', [{ id: hubId, addresses: ['192.0.2.7:0'] }], 'hubs[0].addresses[0]: expected a port'],
    ['a hub by name', [{ id: hubId, addresses: ['hub.example:443'] }], 'hubs[0].addresses[0]: expected ADDRESS:PORT'],
    ['a hub without an id', [{ addresses: somewhere }], 'hubs[0].id: '],
    ['a hub with too many addresses', [{ id: hubId, addresses: Array(9).fill(somewhere[0]) }], 'hubs[0].addresses: '],
    [
      'too many hubs',
      Array.from({ length: 65 }, (_, i) => ({ id: i.toString(16).padStart(64, '0'), addresses: somewhere })),
      'hubs: ',
    ],
    ['something else of a hub', [{ id: hubId, addresses: somewhere, key: 1 }], 'hubs[0]: unknown option "key"'],
  ])('with %s is refused', (_, hubs, mistake) => {
    expect(mistakesOf({ ...FILE, hubs })).toContainEqual(expect.stringContaining(mistake))
  })

  test.each([
    ['http://192.0.2.1', []],
    ['http://192.0.2.1:8080/spn', []],
    ['https://[2001:db8::1]:443/', []],
    ['https://directory.example', ['d']],
    ['http://localhost:8080', ['d']],
  ])('tells whether a directory is known by a host name: %s', (url, names) => {
    expect(directoriesByHostName({ directories: [{ name: 'd', url }] })).toEqual(names)
  })

  test('with many mistakes is refused with all of them', () => {
    const file = {
      name: '',
      id: 'AB'.repeat(32),
      directories: [
        { name: 'd0', key: 'zz', url: 'ftp://d0.example' },
        { name: 'd1', key: KEYS[0], url: 'd1.example', port: 1 },
      ],
      threshold: 0,
      testNetwork: 'no',
      directory: 1,
    }
    expect(mistakesOf(file)).toEqual([
      expect.stringMatching(/^name: /),
      'id: expected 64 lower-case hexadecimal digits',
      'directories[0].key: expected 64 lower-case hexadecimal digits',
      'directories[0].url: expected a URL that starts with http:// or https://',
      'directories[1].url: expected a URL that starts with http:// or https://',
      'directories[1]: unknown option "port"',
      expect.stringMatching(/^threshold: /),
      expect.stringMatching(/^testNetwork: /),
      'unknown option "directory"',
    ])
  })

  test.each<[string, Partial<NetworkFile>, string]>([
    ['more signatures than directories', { threshold: 4 }, 'threshold: expected at most the number of directories'],
    [
      'a key twice',
      { directories: [FILE.directories[0]!, FILE.directories[0]!] },
      'directories: expected a different key for each directory',
    ],
    ['no directory', { directories: [], threshold: 1 }, 'directories: '],
    ['a threshold that is no whole number', { threshold: 1.5 }, 'threshold: '],
  ])('with %s is refused', (_, changes, mistake) => {
    expect(mistakesOf({ ...FILE, ...changes })).toContainEqual(expect.stringContaining(mistake))
  })

  test('is refused as a whole if it is missing or no JSON', () => {
    const file = join(folder, 'network.json')
    expect(faultOf(() => readNetworkFile(file)).code).toBe('options-invalid')
    writeFileSync(file, JSON.stringify(FILE))
    expect(readNetworkFile(file).name).toBe('test')
  })
})
