import { format, inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { Fault } from '../../../shared/base/fault.ts'
import { createLog, faultFields, type Log, type LogLevel, silentLog } from '../../../shared/base/log.ts'
import { Sensitive } from '../../../shared/base/sensitive.ts'

const SECRET = '203.0.113.77'

function memoryLog(level: LogLevel): { log: Log; lines: () => unknown[]; text: () => string } {
  const written: string[] = []
  const log = createLog(level, { write: (line) => void written.push(line) })
  return { log, lines: () => written.map((line) => JSON.parse(line)), text: () => written.join('') }
}

describe('a sensitive value', () => {
  const address = new Sensitive(SECRET)

  test('is told only to who asks for it by name', () => {
    expect(address.reveal()).toBe(SECRET)
  })

  const ways: [string, () => unknown][] = [
    ['a template string', () => `${address}`],
    ['String()', () => String(address)],
    ['a sum with a string', () => `from ${''}${address as unknown as string}`],
    ['JSON', () => JSON.stringify({ address, list: [address] })],
    ['util.inspect', () => inspect(address)],
    ['util.inspect that shows what is hidden', () => inspect({ address }, { showHidden: true, depth: null })],
    ['util.inspect that does not ask the value', () => inspect(address, { customInspect: false, showHidden: true })],
    ['%s', () => format('%s', address)],
    ['%o', () => format('%o', address)],
    ['%O', () => format('%O', [address])],
    ['%j', () => format('%j', { address })],
    ['%d', () => format('%d', address)],
    ['the message of an error', () => new Error(String(address)).stack],
    ['an error that is thrown with it', () => inspect(new Error('failed', { cause: address }))],
    ['its own properties', () => JSON.stringify([Object.entries(address), Reflect.ownKeys(address), { ...address }])],
    ['a clone', () => inspect(structuredClone(address), { showHidden: true })],
    ['the keys of an object', () => inspect({ [String(address)]: 1 })],
    ['a map', () => inspect(new Map([[address, address]]), { showHidden: true })],
  ]
  test.each(ways)('does not come out by %s', (_, print) => {
    expect(String(print())).not.toContain(SECRET)
  })

  test('does not come out by a log, at any level and depth', () => {
    const { log, lines, text } = memoryLog('debug')
    for (const level of ['error', 'warn', 'info', 'debug'] as const) log[level]('link up', { address })
    log.part('link').info('again', { address })
    expect(text()).not.toContain(SECRET)
    expect(lines()[0]).toMatchObject({ address: '[sensitive]' })
  })
})

describe('a log', () => {
  test('writes one JSON object a line, with level, part, message and fields, and nothing of the computer', () => {
    const { log, lines, text } = memoryLog('info')
    log.part('maps').warn('hub map not fetched', { fault: 'map-expired', tries: 2, way: undefined })
    expect(lines()).toEqual([
      {
        level: 'warn',
        time: expect.any(Number),
        part: 'maps',
        fault: 'map-expired',
        tries: 2,
        message: 'hub map not fetched',
      },
    ])
    expect(text().split('\n')).toHaveLength(2)
  })

  test.each([
    ['error', ['error']],
    ['warn', ['error', 'warn']],
    ['info', ['error', 'warn', 'info']],
    ['debug', ['error', 'warn', 'info', 'debug']],
  ] as const)('of level %s keeps what is less important to itself', (level, written) => {
    const { log, lines } = memoryLog(level)
    for (const each of ['error', 'warn', 'info', 'debug'] as const) log[each](each)
    expect(lines().map((line) => (line as { message: string }).message)).toEqual(written)
  })

  test('that is silent is so in its parts', () => {
    expect(silentLog.part('x')).toBe(silentLog)
    expect(() => silentLog.error('x', { a: 1 })).not.toThrow()
  })

  test('says of a fault its code and details, of any other error only what kind it is', () => {
    expect(faultFields(new Fault('map-older', { epoch: 3, held: 4 }))).toEqual({
      fault: 'map-older',
      epoch: 3,
      held: 4,
    })
    const system = Object.assign(new Error(`connect ECONNREFUSED ${SECRET}:443`), { code: 'ECONNREFUSED' })
    expect(faultFields(system)).toEqual({ fault: 'internal', error: 'Error', errno: 'ECONNREFUSED' })
    expect(faultFields(new TypeError(SECRET))).toEqual({ fault: 'internal', error: 'TypeError', errno: undefined })
    expect(faultFields(SECRET)).toEqual({ fault: 'internal', error: 'string', errno: undefined })
    const caused = new Fault('next-unreachable', {}, new Error(SECRET))
    expect(JSON.stringify(faultFields(caused))).not.toContain(SECRET)
  })
})
