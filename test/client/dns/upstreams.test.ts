import { beforeEach, describe, expect, test } from '@jest/globals'
import { ChannelPool, LEAST_LIFE_MS, MAX_CHANNELS, MOST_LIFE_MS } from '../../../client/dns/channel-pool.ts'
import type { DnsChannel } from '../../../client/dns/dns-channel.ts'
import type { DnsWay } from '../../../client/dns/dns-way.ts'
import type { Upstream } from '../../../client/dns/upstream.ts'
import { UpstreamChoice } from '../../../client/dns/upstream-choice.ts'
import { UpstreamRace } from '../../../client/dns/upstream-race.ts'
import { Fault } from '../../../shared/base/fault.ts'
import type { DnsAsk } from '../../../shared/dns/dns-query.ts'
import { askFor, queryOf } from '../../support/dns-questions.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { answerFromZone, type Zone } from '../../support/zone-answer.ts'

const ASK = askFor('a.test')
const connect = (): never => {
  throw new Error('channels are made by the tests')
}
const wayOf = (key: string): DnsWay => ({ key, connect })
const WAY = wayOf('key')
const never = new AbortController().signal
const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

class TestChannel implements DnsChannel {
  pending = 0
  isOver = false
  asked = 0
  #resolve: (() => void)[] = []

  ask(): Promise<Uint8Array> {
    this.asked++
    this.pending++
    return new Promise((resolve) => {
      this.#resolve.push(() => {
        this.pending--
        resolve(new Uint8Array(0))
      })
    })
  }

  answerAll(): void {
    for (const resolve of this.#resolve.splice(0)) resolve()
  }

  close(): void {
    this.isOver = true
  }
}

describe('channels to one server', () => {
  let clock: ManualClock
  let pool: ChannelPool
  let opened: TestChannel[]

  beforeEach(() => {
    clock = new ManualClock()
    opened = []
    pool = new ChannelPool({
      ...{ clock, random: seededRandom('pool') },
      open: () => {
        opened.push(new TestChannel())
        return opened.at(-1) as TestChannel
      },
    })
  })

  const ask = (key: string): void => void pool.ask(ASK, wayOf(key), never)

  test('are one for each isolation key, and never one for two', async () => {
    for (const key of ['browser a.test', 'browser b.test', 'mail a.test', 'browser a.test']) ask(key)
    await turns()
    expect(opened.map(({ asked }) => asked)).toEqual([2, 1, 1])
  })

  test('live for five to ten minutes, at random; what is under way then is still answered', async () => {
    for (let i = 0; i < 20; i++) ask(`key ${i}`)
    await turns()
    clock.advance(LEAST_LIFE_MS - 1)
    pool.tick(clock.now())
    expect(pool.size).toBe(20)
    for (const channel of opened) channel.answerAll()
    const left: number[] = []
    for (let at = LEAST_LIFE_MS; at <= MOST_LIFE_MS; at += 60_000) {
      clock.advance(60_000)
      pool.tick(clock.now())
      left.push(pool.size)
    }
    expect(left.at(-1)).toBe(0)
    expect(new Set(left).size).toBeGreaterThan(3)
    expect(opened.every(({ isOver }) => isOver)).toBe(true)
  })

  test('end only when nothing waits on them, and take nothing new before', async () => {
    ask('key')
    await turns()
    clock.advance(MOST_LIFE_MS)
    ask('key')
    await turns()
    pool.tick(clock.now())
    expect(opened.map(({ isOver }) => isOver)).toEqual([false, false])
    opened[0]?.answerAll()
    pool.tick(clock.now())
    expect(opened.map(({ isOver, asked }) => [isOver, asked])).toEqual([
      [true, 1],
      [false, 1],
    ])
  })

  test('are so many at most; the one used least lately makes room', async () => {
    for (let i = 0; i < MAX_CHANNELS; i++) ask(`key ${i}`)
    await turns()
    for (const channel of opened) channel.answerAll()
    ask('key 0')
    ask('one more')
    await turns()
    expect([pool.size, opened.filter(({ isOver }) => isOver)]).toEqual([MAX_CHANNELS, [opened[1]]])
  })

  test('that broke, or were no good, are not used again', async () => {
    ask('key')
    await turns()
    ;(opened[0] as TestChannel).isOver = true
    ask('key')
    await turns()
    pool.renew(WAY)
    ask('key')
    await turns()
    expect(opened.map(({ asked }) => asked)).toEqual([1, 1, 1])
  })

  test('all end together, and no new ones begin', async () => {
    ask('a')
    ask('b')
    await turns()
    pool.close()
    expect(opened.map(({ isOver }) => isOver)).toEqual([true, true])
    expect((await rejectionOf(pool.ask(ASK, wayOf('c'), never))).code).toBe('cancelled')
  })
})

describe('the order of upstreams', () => {
  test('is that of the settings, with failing ones behind; longer with each failure, until one succeeds', () => {
    const choice = new UpstreamChoice(3)
    expect(choice.order(0)).toEqual([0, 1, 2])
    choice.failed(0, 0)
    choice.failed(0, 1) // under way at the same time: counts once
    expect([choice.order(1), choice.order(4_999), choice.order(5_000)]).toEqual([
      [1, 2, 0],
      [1, 2, 0],
      [0, 1, 2],
    ])
    choice.failed(0, 5_000)
    expect([choice.order(14_999), choice.order(15_000)]).toEqual([
      [1, 2, 0],
      [0, 1, 2],
    ])
    choice.failed(0, 15_000)
    choice.succeeded(0)
    expect(choice.order(15_000)).toEqual([0, 1, 2])
    choice.failed(0, 15_000)
    expect(choice.order(20_000)).toEqual([0, 1, 2])
  })

  test('ends a penalty after five minutes at most, and of failing ones asks first the one that is good again first', () => {
    const choice = new UpstreamChoice(2)
    let now = 0
    for (let i = 0; i < 20; i++) {
      choice.failed(1, now)
      now += 300_000
    }
    expect(choice.isBad(1, now)).toBe(false)
    choice.failed(1, now)
    choice.failed(0, now)
    expect(choice.order(now)).toEqual([0, 1])
  })
})

/** What one upstream does with a query, by its number of queries. */
type Behaviour = (ask: DnsAsk, signal: AbortSignal) => Promise<Uint8Array>

const HTTPS = 'UNKNOWN_65'
const ZONE: Zone = {
  'a.test': [{ type: 'A', data: '9.9.9.9' }],
  'b.test': [
    { type: 'A', data: '10.0.0.1' },
    { type: HTTPS, data: Buffer.from('00010000040004c0a80101', 'hex') },
    { type: 'AAAA', class: 'CH', data: 'fd00::1' },
  ],
  'nowhere.test': [
    { type: 'A', data: '0.0.0.0' },
    { type: 'AAAA', data: '::' },
    { type: HTTPS, data: Buffer.from('0001000004000400000000', 'hex') },
  ],
}
const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA', 65: HTTPS }
const answers: Behaviour = async ({ question: { name, type } }) =>
  answerFromZone(queryOf(name, TYPES[type]), ZONE, 'tcp')
const refuses =
  (rcode: number): Behaviour =>
  async (ask) => {
    const bytes = Buffer.from(answerFromZone(queryOf(ask.question.name), { [ask.question.name]: [] }, 'tcp'))
    bytes.writeUInt8((bytes.readUInt8(3) & 0xf0) | rcode, 3)
    return bytes
  }
const fails: Behaviour = () => Promise.reject(new Fault('circuit-closed'))
const hangs: Behaviour = (_, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Fault('cancelled'))))

describe('a question to several upstreams', () => {
  let clock: ManualClock
  let waits: { ms: number; controller: AbortController }[]
  let log: string[]

  beforeEach(() => {
    clock = new ManualClock()
    waits = []
    log = []
  })

  function race(...behaviours: Behaviour[]): UpstreamRace {
    const upstreams = behaviours.map(
      (behave, i): Upstream => ({
        name: String(i),
        ask: (ask, { key }, signal) => {
          log.push(`ask ${i} for ${key}`)
          return behave(ask, signal)
        },
        renew: () => void log.push(`renew ${i}`),
        ...{ circuits: 0, tick: () => {}, close: () => {} },
      }),
    )
    const after = (ms: number): AbortSignal => {
      const controller = new AbortController()
      waits.push({ ms, controller })
      return controller.signal
    }
    return new UpstreamRace(upstreams, { clock, addressScope: () => [], after })
  }

  /** So many ms pass. */
  async function pass(ms: number): Promise<void> {
    await turns()
    clock.advance(ms)
    for (const wait of waits) if (wait.ms <= ms) wait.controller.abort()
    await turns()
  }

  const firstAddress = async (asked: Promise<{ addresses: readonly Uint8Array[] }>) => [
    ...((await asked).addresses[0] ?? []),
  ]

  test('goes to the first alone, if that answers', async () => {
    expect(await firstAddress(race(answers, answers).ask(ASK, WAY))).toEqual([9, 9, 9, 9])
    expect(log).toEqual(['ask 0 for key'])
  })

  test.each<[string, Behaviour]>([
    ['fails', fails],
    ['has a failure', refuses(2)],
    ['refuses', refuses(5)],
    ['talks nonsense', async () => new Uint8Array(5)],
  ])('goes to the next, if the first %s, and to that one first for a while', async (_, behaviour) => {
    const upstreams = race(behaviour, answers)
    expect(await firstAddress(upstreams.ask(ASK, WAY))).toEqual([9, 9, 9, 9])
    expect(log).toEqual(['ask 0 for key', 'renew 0', 'ask 1 for key'])
    expect(upstreams.views().map(({ failing }) => failing)).toEqual([true, false])
    await upstreams.ask(ASK, WAY)
    expect(log.at(-1)).toBe('ask 1 for key')
    clock.advance(5_000)
    await upstreams.ask(ASK, WAY)
    expect(log.slice(4)).toEqual(['ask 0 for key', 'renew 0', 'ask 1 for key'])
  })

  test('goes to the next as well, if the first is slow, which then counts as failing', async () => {
    const upstreams = race(hangs, answers)
    const asked = firstAddress(upstreams.ask(ASK, WAY))
    await turns()
    expect(log).toEqual(['ask 0 for key'])
    await pass(2_000)
    expect(await asked).toEqual([9, 9, 9, 9])
    await turns()
    expect(upstreams.views().map(({ failing }) => failing)).toEqual([true, false])
  })

  test('is asked again of the only one by another circuit, and no more often', async () => {
    expect((await rejectionOf(race(fails).ask(ASK, WAY))).code).toBe('name-failed')
    expect(log).toEqual(['ask 0 for key', 'renew 0', 'ask 0 for key', 'renew 0'])
  })

  test('that all refuse is refused, and nobody takes the blame for it', async () => {
    const upstreams = race(refuses(2), refuses(5))
    expect((await upstreams.ask(ASK, WAY)).rcode).toBe(5)
    expect(upstreams.views().map(({ failing }) => failing)).toEqual([false, false])
  })

  test.each([
    ['an address', 1],
    ['one in an answer of another class', 28],
    ['the address of a service', 65],
  ])('whose answer leads into the own network is refused: by %s', async (_, type) => {
    const body = await race(answers).ask(askFor('b.test', type), WAY)
    expect([body.rcode, body.addresses]).toEqual([5, []])
  })

  test.each([1, 28, 65])(
    'whose answer is the unspecified address gets none, and nobody else is asked: type %i',
    async (type) => {
      const body = await race(answers, fails).ask(askFor('nowhere.test', type), WAY)
      expect([body.rcode, body.isAbsence, body.addresses, body.ttlS]).toEqual([0, true, [], 300])
      expect(log).toEqual(['ask 0 for key'])
    },
  )

  test('is given up after a while, and when the client ends', async () => {
    const first = race(hangs, hangs)
    const asked = rejectionOf(first.ask(ASK, WAY))
    await pass(15_000)
    expect((await asked).code).toBe('name-failed')
    const second = race(hangs)
    const cut = rejectionOf(second.ask(ASK, WAY))
    await turns()
    second.close()
    expect((await cut).code).toBe('name-failed')
  })
})
