import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { type JournalOptions, ReplayJournal } from '../../hub/replay-journal.ts'
import { firstGranuleAfterStart, GENERATION_GRANULES, ReplayStore } from '../../hub/replay-store.ts'
import { AppendFile } from '../../shared/base/append-file.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'

const NOW = 1000
const BOOT = new Uint8Array(16).fill(7)
const HEAD_BYTES = 25
const RECORD_BYTES = 20
let folder: string
let failures: unknown[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-replays-'))
  failures = []
})

afterEach(() => {
  jest.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const tagOf = (n: number): Uint8Array => sha256(Uint8Array.of(n >> 8, n)).subarray(0, 16)
const file = (): string => join(folder, 'replays')

function open(changes: Partial<JournalOptions> = {}): ReplayJournal {
  const onFailure = (error: unknown): void => void failures.push(error)
  return new ReplayJournal({ file: file(), bootId: BOOT, isFirstStart: false, nowGranule: NOW, onFailure, ...changes })
}

const first = (): ReplayJournal => open({ isFirstStart: true })
const hexOf = ({ seen }: ReplayJournal): string[] =>
  seen.map(({ tag, granule }) => `${Buffer.from(tag).toString('hex')} ${granule}`)
const keptOf = (...numbers: readonly [number, number][]): string[] =>
  numbers.map(([tag, granule]) => `${Buffer.from(tagOf(tag)).toString('hex')} ${granule}`)

describe('the journal of CREATEs', () => {
  test('hands the next process all that this one took, in their order, without being closed', () => {
    const journal = first()
    for (let i = 0; i < 300; i++) expect(journal.keep(tagOf(i), NOW + (i % 2))).toBe(true)
    const next = open()
    expect(hexOf(next)).toEqual(
      keptOf(...Array.from({ length: 300 }, (_, i) => [i, NOW + (i % 2)] as [number, number])),
    )
    expect(next.knownFrom).toBe(0)
  })

  test('has the bytes that stand in its description, and can be read by the hub alone', () => {
    first().keep(tagOf(5), 0x01020304)
    const bytes = readFileSync(file())
    expect(bytes.toString('hex')).toBe(
      `53504e52 01 ${'07'.repeat(16)} 00000000 ${Buffer.from(tagOf(5)).toString('hex')} 01020304`.replaceAll(' ', ''),
    )
    expect(statSync(file()).mode & 0o777).toBe(0o600)
  })

  test('keeps one table behind the one that is filled, over restarts', () => {
    const journal = first()
    journal.keep(tagOf(1), NOW)
    journal.turn(NOW + 5)
    journal.keep(tagOf(2), NOW + 5)
    expect(hexOf(open())).toEqual(keptOf([1, NOW], [2, NOW + 5]))
    const second = open()
    second.turn(NOW + 10)
    second.keep(tagOf(3), NOW + 10)
    second.turn(NOW + 15)
    expect(hexOf(open())).toEqual(keptOf([3, NOW + 10]))
  })

  test('leaves behind what is too old to be accepted', () => {
    const journal = first()
    journal.keep(tagOf(1), NOW - 4)
    journal.keep(tagOf(2), NOW - 3)
    expect(hexOf(open())).toEqual(keptOf([2, NOW - 3]))
    expect(statSync(file()).size).toBe(HEAD_BYTES + RECORD_BYTES)
  })

  test('is believed but for a record that is cut short, of which nothing came', () => {
    const journal = first()
    journal.keep(tagOf(1), NOW)
    journal.keep(tagOf(2), NOW)
    for (let cut = 1; cut < RECORD_BYTES; cut++) {
      truncateSync(file(), HEAD_BYTES + 2 * RECORD_BYTES - cut)
      const bytes = readFileSync(file())
      expect(hexOf(open())).toEqual(keptOf([1, NOW]))
      writeFileSync(file(), bytes)
      truncateSync(file(), HEAD_BYTES + 2 * RECORD_BYTES)
    }
  })

  test.each([
    ['of another start of the computer', () => open({ bootId: new Uint8Array(16).fill(8) })],
    ['of a computer that does not tell its starts apart', () => open({ bootId: undefined })],
    ['that is gone', () => [rmSync(file()), open()][1]],
    ['that is cut in its head', () => [truncateSync(file(), HEAD_BYTES - 1), open()][1]],
    [
      'of another version',
      () =>
        [writeFileSync(file(), Buffer.concat([Buffer.from('SPNR\x02'), readFileSync(file()).subarray(5)])), open()][1],
    ],
    ['that is something else', () => [writeFileSync(file(), 'x'.repeat(100)), open()][1]],
    ['whose older table is of something else', () => [writeFileSync(`${file()}.before`, 'x'), open()][1]],
  ])('is not believed if it is one %s; what was taken then is too old before anything is', (_what, reopen) => {
    first().keep(tagOf(1), NOW)
    const journal = reopen() as ReplayJournal
    expect([journal.seen, journal.knownFrom]).toEqual([[], firstGranuleAfterStart(NOW)])
  })

  test('remembers from when on it knows, over as many restarts as there are', () => {
    first().keep(tagOf(1), NOW)
    const other = new Uint8Array(16).fill(8)
    expect(open({ bootId: other }).knownFrom).toBe(NOW + 2)
    expect(open({ bootId: other, nowGranule: NOW + 1 }).knownFrom).toBe(NOW + 2)
    const later = open({ bootId: other, nowGranule: NOW + 1 })
    later.turn(NOW + 6)
    expect(open({ bootId: other, nowGranule: NOW + 6 }).knownFrom).toBe(NOW + 2)
  })

  test.each([
    ['a turn', (journal: ReplayJournal) => [NOW + 5, NOW + 10, NOW + 15].map((now) => journal.turn(now))],
    ['a start', () => open({ nowGranule: NOW + 15 })],
  ])('lets nothing be taken that %s forgot, also when the next process begins in an earlier time', (_, forget) => {
    const journal = first()
    const before = new ReplayStore(100, journal)
    expect(before.check(tagOf(1), NOW, NOW, journal.knownFrom)).toBe('fresh')
    forget(journal)
    const next = open({ nowGranule: NOW + 1 })
    const after = new ReplayStore(100, next, next.seen)
    expect(after.check(tagOf(1), NOW, NOW + 1, next.knownFrom)).toBe('outside-window')
  })

  test('that was begun in a time that was far too late takes CREATEs when the next process has the right one', () => {
    writeFileSync(file(), 'no journal')
    expect(open({ nowGranule: 50 * NOW }).knownFrom).toBe(50 * NOW + 2)
    expect(open().knownFrom).toBe(NOW + 2)
  })

  test('that can not be written any more is removed, and begins again at the next turn', () => {
    const journal = first()
    journal.keep(tagOf(1), NOW)
    const append = jest.spyOn(AppendFile.prototype, 'append').mockImplementation(() => {
      throw new Error('full')
    })
    expect(journal.keep(tagOf(2), NOW)).toBe(true)
    expect([journal.keep(tagOf(3), NOW), existsSync(file()), failures.length]).toEqual([true, false, 1])
    append.mockRestore()
    journal.turn(NOW + 5)
    journal.keep(tagOf(4), NOW + 6)
    const next = open({ nowGranule: NOW + 6 })
    expect([hexOf(next), next.knownFrom]).toEqual([keptOf([4, NOW + 6]), NOW + 7])
  })

  test('that can neither be written nor removed lets nothing be taken', () => {
    const journal = first()
    jest.spyOn(AppendFile.prototype, 'append').mockImplementation(() => {
      throw new Error('broken')
    })
    rmSync(file())
    mkdirSync(file()) // as a folder it is not removed, for root either
    expect([journal.keep(tagOf(2), NOW), journal.keep(tagOf(3), NOW)]).toEqual([false, false])
    expect(new ReplayStore(10, journal).check(tagOf(4), NOW, NOW, 0)).toBe('full')
    rmSync(file(), { recursive: true })
    jest.restoreAllMocks()
    journal.turn(NOW + 5)
    expect(journal.keep(tagOf(5), NOW)).toBe(true)
  })
})

describe('a store of seen CREATEs with a journal', () => {
  test('says after any number of restarts what one says that was never restarted', () => {
    const twin = new ReplayStore()
    let journal = first()
    let store = new ReplayStore(1000, journal)
    for (let step = 0; step < 400; step++) {
      const now = NOW + Math.floor(step / 7)
      if (step % 11 === 0) {
        journal.close()
        journal = open({ nowGranule: now })
        store = new ReplayStore(1000, journal, journal.seen)
      }
      for (const n of [step, step - 5, step - 20, step - 40]) {
        if (n < 0) continue
        const granule = NOW + Math.floor(n / 7)
        expect(store.check(tagOf(n), granule, now, 0)).toBe(twin.check(tagOf(n), granule, now, 0))
      }
    }
    expect(statSync(file()).size).toBeLessThan(HEAD_BYTES + 7 * 2 * GENERATION_GRANULES * RECORD_BYTES)
  })
})
