import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { endpointSchema, parseOptions, rangeSchema, readOptions } from '../../../shared/base/options.ts'
import { faultOf } from '../../support/fault-of.ts'

const schema = z.strictObject({
  name: z.string().min(1),
  seconds: z.int().min(1).max(60).default(10),
  listen: z.array(z.strictObject({ at: endpointSchema, scope: rangeSchema.optional() })),
  level: z.enum(['error', 'warn']),
})

function mistakesOf(input: unknown): string[] {
  const fault = faultOf(() => parseOptions(schema, input, 'hub.json'))
  expect([fault.code, fault.details.file]).toEqual(['options-invalid', 'hub.json'])
  return String(fault.details.mistakes).split('\n')
}

describe('options', () => {
  test('that are right come back read, with what is left out', () => {
    expect(parseOptions(schema, { name: 'a', listen: [{ at: '[::1]:443' }], level: 'warn' }, 'x')).toEqual({
      name: 'a',
      seconds: 10,
      listen: [{ at: { ip: Uint8Array.of(...new Array(15).fill(0), 1), port: 443 } }],
      level: 'warn',
    })
  })

  test('with many mistakes are refused with all of them, each with its path', () => {
    const input = {
      seconds: 61,
      listen: [{ at: '192.0.2.1:443' }, { at: '192.0.2.1', scope: '10.0.0.1/8', port: 3 }],
      level: 'loud',
      nane: 'a',
      levle: 'b',
    }
    expect(mistakesOf(input)).toEqual([
      expect.stringMatching(/^name: expected string/),
      expect.stringMatching(/^seconds: Too big: expected .*60/),
      'listen[1].at: expected ADDRESS:PORT, like 192.0.2.1:443 or [2001:db8::1]:443',
      'listen[1].scope: expected a range of addresses, like 198.18.0.0/15',
      'listen[1]: unknown option "port"',
      expect.stringMatching(/^level: .*"error"\|"warn"/),
      'unknown option "nane"',
      'unknown option "levle"',
    ])
  })

  test('that are no object at all are refused in one line', () => {
    for (const input of [undefined, null, 'text', 3, []]) expect(mistakesOf(input)).toHaveLength(1)
  })

  test.each(['192.0.2.1:0', '0.0.0.0:65535', '[2001:db8::1]:443', '[::]:0'])('read the endpoint %s', (text) => {
    expect(endpointSchema.safeParse(text).success).toBe(true)
  })

  test.each([
    ...['192.0.2.1', ':443', '192.0.2.1:', '192.0.2.1:65536', '192.0.2.1:-1', '::1:443', '2001:db8::1', '[::1]', '443'],
    ...['192.0.2.1:4 43', '[::1:443', 'localhost:443', '[fe80::1%eth0]:443', '192.0.2.1:0443443', '127.1:80', '*:80'],
  ])('do not read the endpoint "%s"', (text) => {
    expect(endpointSchema.safeParse(text).success).toBe(false)
  })
})

describe('a configuration file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spn-options-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is read and checked', () => {
    const file = join(folder, 'good.json')
    writeFileSync(file, '{"name": "a", "listen": [], "level": "error"}')
    expect(readOptions(schema, file).name).toBe('a')
  })

  test.each([
    ['is not there', undefined, /^there is no such file$/],
    ['is not JSON', '{"name": ', /^it is not JSON: /],
    ['is empty', '', /^it is not JSON: /],
    ['does not fit', '{}', /^name: .*\nlisten: .*\nlevel: .*$/],
  ])('that %s is named with what is wrong', (_, content, mistakes) => {
    const file = join(folder, 'bad.json')
    if (content === undefined) rmSync(file, { force: true })
    else writeFileSync(file, content)
    const fault = faultOf(() => readOptions(schema, file))
    expect([fault.code, fault.details.file]).toEqual(['options-invalid', file])
    expect(fault.details.mistakes).toMatch(mistakes)
  })

  test('that can not be read is told from one that is not there', () => {
    expect(faultOf(() => readOptions(schema, folder)).details.mistakes).toBe('it can not be read')
  })
})
