import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { FAULTS } from '../shared/base/fault-codes.ts'
import { SPECIAL_RANGES } from '../shared/base/ip-scope.ts'
import { bodyBytesOf, CELL_CLASSES, type CellClass, capacityOf, FRAME_HEADER_BYTES } from '../shared/cell/cell.ts'
import { possibleHops } from '../shared/cell/create.ts'
import { DIRECTIONS, PHASES } from '../shared/cell/layer.ts'
import { MESSAGE_TYPES } from '../shared/cell/message.ts'
import { CIRCUIT_KINDS, carries, type Purpose } from '../shared/cell/purpose.ts'
import { ADDRESS_KINDS } from '../shared/cell/target.ts'
import { HANDSHAKE_VERSION, SUITE_X25519_MLKEM768_AES256GCM } from '../shared/crypto/handshake.ts'
import { CELL_FLAGS, FRAME_TYPES, LINK_VERSION } from '../shared/link/frame.ts'
import { DESCRIPTOR_VERSION, rolesValue } from '../shared/map/descriptor.ts'
import { DEFAULT_REJECTED_PORTS, REFUSED_DATAGRAM_PORTS } from '../shared/map/exit-policy.ts'
import { HUB_FLAGS } from '../shared/map/hub-flags.ts'
import { MAP_VERSION } from '../shared/map/hub-map.ts'
import { networkSchema } from '../shared/map/network.ts'
import { ROOT } from './support/program.ts'
import { sourceFiles } from './support/source-files.ts'
import {
  SPEC,
  specSection as section,
  specSections,
  specTable as table,
  specTables as tables,
} from './support/spec-text.ts'

const code = sourceFiles().filter(({ path }) => !path.startsWith('test/'))
const numbers = new Set(specSections.map(({ number }) => number))
const named = (rows: readonly string[][]): Record<string, number> =>
  Object.fromEntries(rows.map(([value, name]) => [name, Number(value)]))

/** Every constant that a file exports, with the file. */
const constants = new Map<string, string[]>()
for (const { path, code: text } of code) {
  for (const [, name = ''] of text.matchAll(/^export const ([A-Z][A-Z0-9_]*)\b/gm)) {
    constants.set(name, [...(constants.get(name) ?? []), path])
  }
}

async function valueOfConstant(name: string): Promise<unknown> {
  const paths = constants.get(name) ?? []
  if (paths.length !== 1) throw new Error(`${name} is exported by ${paths.length} files: ${paths.join(', ')}`)
  const module = (await import(pathToFileURL(join(ROOT, paths[0] as string)).href)) as Record<string, unknown>
  return module[name]
}

describe('every constant of the SPEC', () => {
  const rows = specSections
    .filter(({ number }) => !number.startsWith('13'))
    .flatMap(({ number, text }) =>
      [...text.matchAll(/^\| `([A-Z][A-Z0-9_]*)` \| ([^|]*) \|/gm)].map(
        ([, name = '', value = '']) => [number, name, value] as const,
      ),
    )

  test.each(rows)('section %s: %s is %s', async (_, name, value) => {
    expect(await valueOfConstant(name)).toBe(Number(value))
  })

  test('stands there once, and there are as many as there ever were', () => {
    const names = rows.map(([, name]) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThanOrEqual(39)
  })

  test('that the text names exists in the code', () => {
    const text = specSections.filter(({ number }) => number !== '13.2').map((one) => one.text)
    const inText = [...text.join('').matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`/g)].map(([, name]) => name as string)
    const isOurs = (name: string): boolean => !name.startsWith('TLS_')
    expect(inText.filter(isOurs).filter((name) => constants.get(name)?.length !== 1)).toEqual([])
  })
})

describe('the tables of the SPEC are those of the code', () => {
  test('cells (5)', () => {
    const classes = Object.keys(CELL_CLASSES).map((key) => Number(key) as CellClass)
    expect(table('5').map((row) => row.map(Number))).toEqual(
      classes.map((cellClass) => [cellClass, CELL_CLASSES[cellClass], bodyBytesOf(cellClass), capacityOf(cellClass)]),
    )
  })

  test('directions and phases (5.2)', () => {
    const rows = table('5.2').map(([name, value]) => [name, Number(value)])
    expect(rows).toEqual([
      ...Object.entries(DIRECTIONS).map(([name, value]) => [`direction ${name}`, value]),
      ...Object.entries(PHASES).map(([name, value]) => [`phase ${name}`, value]),
    ])
  })

  test('what a CREATE can be (7.2)', () => {
    const senders = ['client', 'hub'] as const
    const expected = [3, 4].flatMap((cellClass) =>
      senders.map((sender) => [
        String(cellClass),
        sender,
        possibleHops(cellClass as CellClass, sender === 'hub')
          .map(({ place, role }) => `${place} ${role}`)
          .join(', '),
      ]),
    )
    expect(table('7.2')).toEqual(expected)
  })

  test('messages (8) and targets (8.1)', () => {
    expect(named(table('8'))).toEqual(MESSAGE_TYPES)
    expect(named(table('8.1'))).toEqual(ADDRESS_KINDS)
    expect(named(tables('8')[1] ?? [])).toEqual(CIRCUIT_KINDS)
  })

  test('special ranges (9.6), in the same order, because the first match counts', () => {
    expect(tables('9.6')[0]).toEqual(SPECIAL_RANGES)
  })

  test('ports that exits reject by themselves (9.6)', () => {
    expect(tables('9.6')[1]?.map((row) => row.map(Number))).toEqual(DEFAULT_REJECTED_PORTS)
  })

  test('which kind of circuit carries which messages (8)', () => {
    const purposes: Record<string, Purpose> = {
      tcp: { kind: 'name', name: 'a', port: 1 },
      udp: { kind: 'udp' },
      dns: { kind: 'dns' },
      echo: { kind: 'echo', address: new Uint8Array(4) },
    }
    for (const [, name = '', , own = ''] of tables('8')[1] ?? []) {
      const purpose = purposes[name] as Purpose
      const all = Object.keys(MESSAGE_TYPES) as (keyof typeof MESSAGE_TYPES)[]
      const carried = all.filter((type) => carries(purpose, type))
      const ofOthers = Object.values(purposes).flatMap((other) => all.filter((type) => !carries(other, type)))
      expect([name, carried.filter((type) => ofOthers.includes(type)).join(', ')]).toEqual([name, own])
    }
  })

  test('ports of datagrams that exits reject in any case (9.6)', () => {
    expect(tables('9.6')[2]?.map((row) => row.map(Number))).toEqual(REFUSED_DATAGRAM_PORTS)
  })

  test('frames (10.1)', () => {
    expect(named(table('10.1'))).toEqual(FRAME_TYPES)
    expect(Object.keys(named(table('10.1')))).toEqual(Object.keys(FRAME_TYPES))
    expect(named(tables('10.1')[1] ?? [])).toEqual(CELL_FLAGS)
    expect(section('5')).toContain(`header of ${FRAME_HEADER_BYTES} bytes`)
  })

  test('roles (11.2)', () => {
    const none = { home: false, relay: false, exit4: false, exit6: false }
    const bits = [...Object.keys(none), 'echo'].map((role) => [role, rolesValue({ ...none, [role]: true })])
    expect(named(tables('11.2')[1] ?? [])).toEqual(Object.fromEntries(bits))
  })

  test('flags (11.3)', () => {
    expect(named(tables('11.3')[1] ?? [])).toEqual(HUB_FLAGS)
  })

  test('the network file (11.5)', () => {
    const [list = ''] = section('11.5').split('Names have')
    const inner = [...list.matchAll(/\(each ([^)]*)\)/g)].map(([, text]) => text as string)
    const names = (text: string): string[] => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name as string)
    const outer = inner.reduce((text, one) => text.replace(one, ''), list)
    const { directories, hubs } = networkSchema.shape
    expect(names(outer).toSorted()).toEqual(Object.keys(networkSchema.shape).toSorted())
    expect(inner.map(names)).toEqual([Object.keys(directories.element.shape), Object.keys(hubs.unwrap().element.shape)])
  })

  test('faults (12), in the same order', () => {
    const expected = Object.entries(FAULTS).map(([name, { wire, blame, text }]) => [
      name,
      wire === 0 ? '' : `0x${wire.toString(16).padStart(2, '0')}`,
      blame,
      text,
    ])
    expect(table('12')).toEqual(expected)
  })

  test('versions and the suite', () => {
    expect(section('6.2')).toContain(
      `version u8 = ${HANDSHAKE_VERSION} ‖ suite u8 = ${SUITE_X25519_MLKEM768_AES256GCM}`,
    )
    expect(section('10.1')).toContain(`version u8 = ${LINK_VERSION}`)
    expect(section('11.2')).toContain(`version = ${DESCRIPTOR_VERSION}`)
    expect(section('11.3')).toContain(`version = ${MAP_VERSION}`)
  })

  test('labels, all of them and no others', () => {
    const inSpec = new Set(SPEC.match(/spn\/1 [a-z]+( key)?/g))
    const inCode = new Set(code.flatMap((file) => file.code.match(/(?<=')spn\/1 [a-z]+( key)?(?=')/g) ?? []))
    expect([...inCode].toSorted()).toEqual([...inSpec].toSorted())
    expect(inSpec.size).toBe(14)
  })
})

describe('a section that is cited', () => {
  const CITED = /SPEC sections? (\d+(?:\.\d+)?)(?:(?:,| and| to) (\d+(?:\.\d+)?))?/g

  test('by the code exists', () => {
    const cited = sourceFiles().flatMap(({ path, text }) =>
      [...text.matchAll(CITED)].flatMap(([, first, second]) =>
        [first, second].map((number) => [path, number] as const),
      ),
    )
    expect(cited.filter(([, number]) => number !== undefined && !numbers.has(number))).toEqual([])
    expect(cited.length).toBeGreaterThan(40)
  })

  test('by the SPEC itself exists', () => {
    const cited = [...SPEC.matchAll(/(?:section |sections |\()(\d+\.\d+(?!\.\d))/g)].map(
      ([, number]) => number as string,
    )
    expect(cited.filter((number) => !numbers.has(number))).toEqual([])
    expect(cited.length).toBeGreaterThan(15)
  })

  test('has a number that follows the one before', () => {
    const order = specSections.slice(1).map(({ number }) => number)
    for (const [i, number] of order.entries()) {
      const [major, minor] = number.split('.').map(Number)
      const [majorBefore = 0, minorBefore = 0] = (order[i - 1] ?? '0').split('.').map(Number)
      const follows =
        minor === undefined ? major === majorBefore + 1 : major === majorBefore && minor === minorBefore + 1
      expect([number, follows]).toEqual([number, true])
    }
  })
})
