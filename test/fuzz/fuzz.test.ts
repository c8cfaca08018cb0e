import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { utf8 } from '../../shared/base/bytes.ts'
import { decodeMessages } from '../../shared/cell/message.ts'
import { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { ReceiveCredit } from '../../shared/link/credit.ts'
import { cheapRandom } from './chance.ts'
import { decodeCorpus, encodeCorpus, loadCorpus } from './corpus.ts'
import { NO_COVERAGE } from './coverage.ts'
import { type FuzzResult, fuzz } from './fuzz-loop.ts'
import { BrokenPromise, type FuzzTarget } from './fuzz-target.ts'
import { mutate } from './mutate.ts'
import { mutateJson } from './mutate-json.ts'
import { shrink } from './shrink.ts'
import { findTarget, TARGETS } from './targets.ts'
import { UncoveredCode } from './uncovered-code.ts'

const SEED = 7
/** Changed inputs for one target, its kept ones not counted: so many that all targets together take some seconds. */
const RUNS = 300
/** Nothing here waits, so only a machine that is busy with other things takes long. */
const PATIENCE_MS = 300_000

function run(
  target: FuzzTarget,
  corpus: readonly Uint8Array[],
  isOver: (runs: number) => boolean,
): Promise<FuzzResult> {
  return fuzz(target, corpus, { random: cheapRandom(SEED), coverage: NO_COVERAGE, isOver, onRun: () => {} })
}

function named(name: string): FuzzTarget {
  const target = findTarget(name)
  if (target === undefined) throw new Error(`no target ${name}`)
  return target
}

describe('every reader and machine keeps its promises', () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))(
    '%s',
    async (_name, target) => {
      const corpus = loadCorpus(target.name)
      expect(corpus.length).toBeGreaterThan(0)
      const first = corpus.length + target.seeds().length
      const result = await run(target, corpus, (runs) => runs >= first + RUNS)
      if (result.crash !== undefined) throw result.crash.error
      expect(result.runs).toBe(first + RUNS)
      expect(result.outcomes.size).toBeGreaterThan(1)
    },
    PATIENCE_MS,
  )
})

describe('a planted bug is found', () => {
  test('in a decoder, and made small', async () => {
    const messages = named('messages')
    const broken: FuzzTarget = {
      ...messages,
      run: (input) => {
        const read = decodeMessages(input) ?? []
        const [first, second] = read
        if (first?.type === 'refused' && second?.type === 'ping') throw new TypeError('planted')
        return `read ${read.length}`
      },
    }
    const { crash } = await run(broken, [], (runs) => runs > 50_000)
    expect(crash?.error).toEqual(new TypeError('planted'))
    const fails = async (input: Uint8Array): Promise<boolean> => {
      try {
        await broken.run(input)
        return false
      } catch {
        return true
      }
    }
    const small = await shrink(crash?.input ?? new Uint8Array(0), fails)
    expect([...small]).toEqual([3, 0, 1, 0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  test('in a link that does not count what it receives', async () => {
    const { take } = ReceiveCredit.prototype
    ReceiveCredit.prototype.take = function (bytes) {
      take.call(this, bytes)
      return true
    }
    try {
      const { crash } = await run(named('link'), [], (runs) => runs > 20_000)
      expect(crash?.error).toBeInstanceOf(BrokenPromise)
    } finally {
      ReceiveCredit.prototype.take = take
    }
  })

  test('in circuits that do not say their end to the link', async () => {
    const { close } = CircuitEnd.prototype
    CircuitEnd.prototype.close = () => {}
    try {
      const { crash } = await run(named('evil-client'), [], (runs) => runs > 100)
      expect(String(crash?.error)).toMatch(/BrokenPromise: (nothing is left|both ends are closed)/)
    } finally {
      CircuitEnd.prototype.close = close
    }
  })
})

describe('the parts of the fuzzer', () => {
  test('kept inputs are read as they were written, short ones first', () => {
    const inputs = [Uint8Array.of(1, 0xab), new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(1, 0xab)]
    expect(encodeCorpus(inputs)).toBe('\n00\n01ab\n')
    expect(decodeCorpus('a', encodeCorpus(inputs))).toEqual([inputs[1], inputs[2], inputs[0]])
    expect(() => decodeCorpus('a', '00\nno\n')).toThrow('the kept inputs of a: line 2 is not hexadecimal')
  })

  test('mutations are the same for the same seed, and never too long', () => {
    const source = { corpus: [utf8('another'), new Uint8Array(200)], words: [utf8('word')], maxBytes: 64 }
    const all = (seed: number): string[] => {
      const random = cheapRandom(seed)
      return Array.from({ length: 500 }, () => Buffer.from(mutate(utf8('an input'), random, source)).toString('hex'))
    }
    expect(all(1)).toEqual(all(1))
    expect(all(1)).not.toEqual(all(2))
    expect(new Set(all(1)).size).toBeGreaterThan(250)
    expect(all(1).every((text) => text.length <= 2 * source.maxBytes)).toBe(true)
  })

  test('a mutation of JSON is JSON', () => {
    const random = cheapRandom(3)
    const made = Array.from({ length: 500 }, () => mutateJson(utf8('{"a":[1,"b",null,{"c":{}}]}'), random))
    for (const bytes of made) expect(() => JSON.parse(Buffer.from(bytes as Uint8Array).toString('utf8'))).not.toThrow()
    expect(mutateJson(utf8('{'), random)).toBeUndefined()
  })

  test('code is new until it was reached once', () => {
    const known = new UncoveredCode()
    const ran = (...never: (readonly [number, number])[]) => {
      const zero = never.map(([startOffset, endOffset]) => ({ startOffset, endOffset, count: 0 }))
      return [{ url: 'a.ts', functions: [{ ranges: [{ startOffset: 0, endOffset: 100, count: 5 }, ...zero] }] }]
    }
    const isNews = (counts: ReturnType<typeof ran>): boolean => {
      const shrinks = known.shrinksBy(counts)
      known.add(counts)
      return shrinks
    }
    expect(isNews(ran([10, 30], [50, 60]))).toBe(true)
    expect(isNews(ran([10, 30], [50, 60]))).toBe(false)
    expect(isNews(ran([10, 20], [50, 60]))).toBe(true)
    expect(isNews(ran([10, 30]))).toBe(true)
    expect(isNews(ran([0, 100]))).toBe(false)
  })

  test.each([
    [['no-such-target', '--seconds', '1'], 2, /there is no target "no-such-target"/],
    [['hex', '--input', 'no-such-file'], 2, /--input: ENOENT/],
    [['all', '--input', 'no-such-file'], 2, /--input: expected one target/],
    [['hex', '--input', 'a', '--seconds', '1'], 2, /expected one of them/],
    [['hex'], 2, /--seconds: expected/],
    [['hex', '--seconds', '0'], 2, /--seconds: expected/],
    [['hex', '--minutes', '1'], 2, /--minutes/],
    [[], 2, /no target/],
    [['--list'], 0, /^frame-header +/m],
  ])('the command line %j ends with status %i', (words, status, text) => {
    const program = fileURLToPath(new URL('fuzz.ts', import.meta.url))
    const run = spawnSync(process.execPath, ['--no-warnings', program, ...words], { encoding: 'utf8' })
    expect([run.status, run.stdout + run.stderr]).toEqual([status, expect.stringMatching(text)])
  })

  test('names are unlike each other, and every target has seeds within its size', () => {
    expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length)
    for (const { name, seeds, maxBytes } of TARGETS) {
      expect([name, seeds().length > 0]).toEqual([name, true])
      expect([name, seeds().every(({ length }) => length <= maxBytes)]).toEqual([name, true])
    }
  })
})
