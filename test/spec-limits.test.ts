import { readdirSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { clientOptionsSchema } from '../client/options.ts'
import { directoryOptionsSchema } from '../directory/options.ts'
import { hubOptionsSchema } from '../hub/options.ts'
import { EXPORTER_BYTES, EXPORTER_LABEL, LINK_TLS_OPTIONS } from '../shared/link/tls-parameters.ts'
import { sourceFiles } from './support/source-files.ts'
import { SPEC, specSection, specSections, specTable } from './support/spec-text.ts'
import { VECTOR_FILES } from './vectors/vector-files.ts'

const UNITS = { MS: 'ms', S: 's', BYTES: 'bytes', CELLS: 'cells', GRANULES: 'granules', TAGS: 'tags', HOPS: 'hops' }

/** Where a limit or timer is one of the protocol, and not of this computer's programs, files or firewall. */
const OF_THE_NETWORK = [
  ...['shared/cell/', 'shared/circuit/', 'shared/link/', 'shared/map/', 'shared/mirror/', 'hub/', 'directory/'],
  ...['client/client.ts', 'client/connector.ts', 'client/home-', 'client/map-ways.ts'],
  'client/navigator/',
]

/** Whole numbers that a file names, as far as they are written as products: what the text has, by name. */
function numbersOf(text: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const [, name = '', product = ''] of text.matchAll(/^(?:export )?const ([A-Z][A-Z0-9_]*) = ([\d_ *]+)$/gm)) {
    const factors = product.split('*').map((factor) => Number(factor.replaceAll('_', '')))
    found.set(
      name,
      factors.reduce((all, factor) => all * factor, 1),
    )
  }
  return found
}

const files = new Map(sourceFiles().map(({ path, code }) => [path, numbersOf(code)]))
const shared = specTable('13.1')
const own = specTable('13.2')

describe('all limits and timers (13)', () => {
  test('13.1 has every constant of the sections before, with the same value', () => {
    const before = specSections.flatMap(({ number, text }) =>
      number.startsWith('13')
        ? []
        : [...text.matchAll(/^\| `([A-Z][A-Z0-9_]*)` \| ([^|]*) \|/gm)].map(([, name, value]) => [name, value, number]),
    )
    const held = shared.map(([name, value, , number]) => [name, value, number])
    expect(held.toSorted()).toEqual(before.toSorted())
  })

  test.each(own)('13.2: %s is %s %s in %s', (name = '', value, _unit, path = '') => {
    expect(files.get(path)?.get(name)).toBe(Number(value))
  })

  test('stand there once, each with a reason, and with the unit that the name ends in', () => {
    const names = own.map(([name, , , path]) => `${path} ${name}`)
    expect(new Set(names).size).toBe(names.length)
    for (const [name = '', , unit, , why] of [...shared, ...own]) {
      expect([name, (why ?? '').length > 3]).toEqual([name, true])
      const ending = Object.entries(UNITS).find(([suffix]) => name.endsWith(`_${suffix}`))
      expect([name, unit]).toEqual([name, ending?.[1] ?? unit])
    }
  })

  test('are all there: no part of the network has one that the SPEC does not', () => {
    const said = new Set(own.map(([name, , , path]) => `${path} ${name}`))
    const saidForAll = new Set(shared.map(([name]) => name))
    const unsaid = [...files].flatMap(([path, numbers]) =>
      OF_THE_NETWORK.some((start) => path.startsWith(start))
        ? [...numbers.keys()]
            .filter((name) => /^MAX_|_(MS|S|AT_ONCE|TRIES)$/.test(name))
            .filter((name) => !saidForAll.has(name) && !said.has(`${path} ${name}`))
            .map((name) => `${path} ${name}`)
        : [],
    )
    expect(unsaid).toEqual([])
  })

  test('13.3 has the defaults of the programs, and all limits that an operator can set', () => {
    const [networkFile, stateDir, listen] = ['network.json', 'state', '127.0.0.1:1']
    const programs: Record<string, object> = {
      hub: hubOptionsSchema.parse({ networkFile, stateDir, listen: [listen] }),
      directory: directoryOptionsSchema.parse({ networkFile, stateDir, listen, measure: { listen: [listen] } }),
      client: clientOptionsSchema.parse({ networkFile, stateDir }),
    }
    const expected = Object.entries(programs).flatMap(([program, options]) =>
      numbersIn(options).map(([option, value]) => [option, String(value), program]),
    )
    expect(specTable('13.3').map(([option, value, , program]) => [option, value, program])).toEqual(
      expect.arrayContaining(expected),
    )
    expect(specTable('13.3')).toHaveLength(expected.length)
  })
})

/** Options that are numbers, those of `limits` and `measure` too, by their path. */
function numbersIn(options: object, path = ''): [string, number][] {
  return Object.entries(options).flatMap(([name, value]): [string, number][] => {
    if (typeof value === 'number') return [[path + name, value]]
    return name === 'limits' || name === 'measure' ? numbersIn(value as object, `${name}.`) : []
  })
}

test('TLS of a link is what the SPEC says (10.7)', () => {
  const text = specSection('10.7').replaceAll(/\s+/g, ' ')
  expect(text).toContain(`TLS exporter value of ${EXPORTER_BYTES} bytes with label \`${EXPORTER_LABEL}\``)
  expect(text.match(/TLS_[A-Z0-9_]+/g)).toEqual(LINK_TLS_OPTIONS.ciphers.split(':'))
  expect(text).toContain(`the group ${LINK_TLS_OPTIONS.ecdhCurve} and no other`)
})

test('the SPEC names every file of vectors, in the sections that it is for (14)', () => {
  const names = specTable('14').map(([name]) => name)
  expect(names).toEqual(Object.keys(VECTOR_FILES).map((name) => `${name}.json`))
  const inFolder = readdirSync(new URL('vectors/', import.meta.url)).filter((name) => name.endsWith('.json'))
  expect(inFolder.toSorted()).toEqual(names.toSorted())
  for (const [name, of = ''] of specTable('14')) {
    const citing = specSections.filter(({ number, text }) => number !== '14' && text.includes(`\`${name}\``))
    expect([name, citing.some(({ number }) => of.split(', ').includes(number))]).toEqual([name, true])
  }
  expect(SPEC).toContain('`test/vectors`')
})
