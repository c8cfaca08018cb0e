import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { HubLists } from '../../directory/admission/hub-lists.ts'
import { encodeListFile } from '../../directory/admission/list-file.ts'
import { ListWatch } from '../../directory/admission/list-watch.ts'
import { makeMap } from '../../directory/consensus/make-map.ts'
import type { Vote } from '../../directory/consensus/vote.ts'
import { silentLog } from '../../shared/base/log.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { OperatorKey, OperatorPublicKey } from '../../shared/crypto/operator-key.ts'
import { NO_LIMITS, votedHub, voteOf } from '../support/directory-votes.ts'
import { EPOCH, mapHubOf, NETWORK_ID } from '../support/map-fixtures.ts'

/** 7 directories, 5 sign, so 2 may lie. */
const LIARS = 2
const times = (count: number, vote: Vote): Vote[] => Array.from({ length: count }, () => vote)
const plain = voteOf({ hubs: [votedHub(1), votedHub(2)] })
const make = (lies: number, lie: Vote) => makeMap([...times(7 - lies, plain), ...times(lies, lie)], EPOCH, LIARS)

describe('two of seven directories that want another map', () => {
  test.each([
    ['ban a hub', voteOf({ hubs: [votedHub(2)] })],
    ['trust a hub', voteOf({ hubs: [votedHub(1, { flags: 1 }), votedHub(2)] })],
    ['discourage all', voteOf({ hubs: [votedHub(1, { flags: 2 }), votedHub(2, { flags: 2 })] })],
    ['set every flag', voteOf({ hubs: [votedHub(1, { flags: 0xffffffff }), votedHub(2)] })],
    [
      'let one hub of a block in',
      voteOf({ terms: { ...plain.terms, limits: { ...NO_LIMITS, hubsPerIpv4Slash24: 1 } } }),
    ],
  ])('alone they do not %s; four do', (_, lie) => {
    expect(make(LIARS, lie)).toEqual(make(0, lie))
    expect(make(4, lie)).not.toEqual(make(0, lie))
  })
})

describe('lists', () => {
  const operator = OperatorKey.generate()
  const HUB = mapHubOf(new Uint8Array(32).fill(1))
  const lists = (number: number, country: string): HubLists => ({
    number,
    entries: [{ verdict: 'banned', subject: 'country', value: country, reason: 'because' }],
  })
  let folder: string
  let file: string
  let watch: ListWatch
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spn-judge-'))
    file = join(folder, 'lists')
    const key = new OperatorPublicKey(operator.publicBytes)
    watch = new ListWatch({ file, key, networkId: NETWORK_ID, log: silentLog })
    writeFileSync(file, encodeListFile(lists(2, 'DE'), operator, NETWORK_ID))
    watch.look()
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const isBanned = (bytes: Uint8Array): boolean => {
    writeFileSync(file, bytes)
    watch.look()
    return watch.judge.judge(HUB).isBanned
  }

  test('that the operator replaced do not come back', () => {
    expect(isBanned(encodeListFile(lists(1, 'AT'), operator, NETWORK_ID))).toBe(false)
    expect(isBanned(encodeListFile(lists(3, 'AT'), operator, NETWORK_ID))).toBe(true)
  })

  test('are not taken of who has the computer of the directory, and with it its key', () => {
    const stolen = OperatorKey.fromSeed(DirectoryKey.generate().toSeed())
    expect(isBanned(encodeListFile(lists(9, 'AT'), stolen, NETWORK_ID))).toBe(false)
    const other = new Uint8Array(32).fill(9)
    expect(isBanned(encodeListFile(lists(9, 'AT'), operator, other))).toBe(false)
  })
})
