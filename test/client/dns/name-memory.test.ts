import { beforeEach, describe, expect, test } from '@jest/globals'
import { LEAST_MEMORY_MS, NameMemory } from '../../../client/dns/name-memory.ts'

const [first, second] = [Uint8Array.of(1, 1, 1, 1), Uint8Array.of(2, 2, 2, 2)]
let memory: NameMemory

beforeEach(() => {
  memory = new NameMemory({ maxAddresses: 3, maxApps: 2 })
})

describe('the memory of names', () => {
  test('knows by app which name an address came from', () => {
    memory.remember('browser', [first, second], { name: 'a.test' }, 60, 0)
    memory.remember('mail', [first], { name: 'mail.test' }, 60, 0)
    expect(memory.nameFor('browser', first, 1)).toEqual({ name: 'a.test', aliases: [], isGuess: false })
    expect(memory.nameFor('browser', second, 1)).toEqual({ name: 'a.test', aliases: [], isGuess: false })
    expect(memory.nameFor('mail', first, 1)).toEqual({ name: 'mail.test', aliases: [], isGuess: false })
  })

  test('guesses by what another app was told last, and says so', () => {
    memory.remember('browser', [first], { name: 'a.test' }, 60, 0)
    memory.remember('browser', [first], { name: 'b.test' }, 60, 1)
    expect(memory.nameFor('mail', first, 2)).toEqual({ name: 'b.test', aliases: [], isGuess: true })
    expect(memory.nameFor('mail', second, 2)).toBeUndefined()
  })

  test('keeps what the name is an alias for', () => {
    memory.remember('browser', [first], { name: 'a.test', aliases: ['b.test', 'c.test'] }, 60, 0)
    for (const app of ['browser', 'mail']) expect(memory.nameFor(app, first, 1)?.aliases).toEqual(['b.test', 'c.test'])
  })

  test('takes an address in IPv6 form for what it is', () => {
    const mapped = Uint8Array.from([...Array(10).fill(0), 0xff, 0xff, 1, 1, 1, 1])
    memory.remember('browser', [first], { name: 'a.test' }, 60, 0)
    expect(memory.nameFor('browser', mapped, 1)?.name).toBe('a.test')
  })

  test.each([
    [60, LEAST_MEMORY_MS],
    [3600, 3_600_000],
  ])('keeps a name for its TTL, but for ten minutes at least: %i s', (ttlS, ms) => {
    memory.remember('browser', [first], { name: 'a.test' }, ttlS, 0)
    expect(memory.nameFor('browser', first, ms - 1)?.name).toBe('a.test')
    expect(memory.nameFor('browser', first, ms)).toBeUndefined()
    expect(memory.nameFor('mail', first, ms)).toBeUndefined()
  })

  test('holds so many addresses of an app, and one more in the place of the oldest', () => {
    for (let i = 1; i <= 4; i++) memory.remember('browser', [Uint8Array.of(9, 9, 9, i)], { name: `${i}.test` }, 60, 0)
    const names = [1, 2, 3, 4].map((i) => memory.nameFor('browser', Uint8Array.of(9, 9, 9, i), 1)?.name)
    expect(names).toEqual([undefined, '2.test', '3.test', '4.test'])
  })

  test('holds so many apps, and one more in the place of the one that asked least lately', () => {
    for (const app of ['a', 'b']) memory.remember(app, [first], { name: `${app}.test` }, 60, 0)
    memory.remember('a', [second], { name: 'a2.test' }, 60, 1)
    memory.remember('c', [first], { name: 'c.test' }, 60, 2)
    expect(memory.appCount).toBe(2)
    expect(memory.nameFor('b', first, 3)).toEqual({ name: 'c.test', aliases: [], isGuess: true })
    expect(memory.nameFor('a', first, 3)).toEqual({ name: 'a.test', aliases: [], isGuess: false })
    for (let i = 0; i < 10; i++) memory.remember(`empty ${i}`, [], { name: 'x.test' }, 60, 3)
    expect(memory.appCount).toBe(2)
  })
})
