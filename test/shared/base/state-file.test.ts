import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { utf8 } from '../../../shared/base/bytes.ts'
import { loadState, readStateFile, writeStateFile } from '../../../shared/base/state-file.ts'
import { faultOf } from '../../support/fault-of.ts'
import { Program } from '../../support/program.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-state-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('utf8')

describe('a state file', () => {
  test('is made with its folders, readable by the owner alone', () => {
    const file = join(folder, 'a', 'b', 'identity.key')
    writeStateFile(file, utf8('key'))
    expect(text(readStateFile(file))).toBe('key')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o700)
  })

  test('is readable by others only where that is said', () => {
    const file = join(folder, 'network.json')
    writeStateFile(file, utf8('{}'), 0o644)
    expect(statSync(file).mode & 0o644).toBe(statSync(file).mode & 0o777)
  })

  test('is replaced whole: who has the old one open still reads the old one', () => {
    const file = join(folder, 'map')
    writeStateFile(file, utf8('the old content'))
    const old = openSync(file, 'r')
    writeStateFile(file, utf8('new'))
    expect(readFileSync(old, 'utf8')).toBe('the old content')
    closeSync(old)
    expect(text(readStateFile(file))).toBe('new')
    expect(readdirSync(folder)).toEqual(['map'])
  })

  test('is not harmed by what a crash left beside it', () => {
    const file = join(folder, 'map')
    writeStateFile(file, utf8('old'))
    writeFileSync(`${file}.new`, 'half of somethi')
    expect(text(readStateFile(file))).toBe('old')
    writeStateFile(file, utf8('new'))
    expect(text(readStateFile(file))).toBe('new')
  })

  test('stays as it was when the new content does not fit on the disk', async () => {
    const file = join(folder, 'map')
    writeStateFile(file, utf8('old'))
    const code = `
      import { writeStateFile } from './shared/base/state-file.ts'
      try { writeStateFile(${JSON.stringify(file)}, new Uint8Array(100_000)) } catch (error) { console.log(error.code, error.details.errno) }`
    const program = new Program('writer', [
      ...['bash', '-c', 'ulimit -f 8; exec "$0" --no-warnings --input-type=module --eval "$1"'],
      ...[process.execPath, code],
    ])
    expect(await program.exit()).toBe(0)
    expect(program.output).toContain('state-unwritable EFBIG')
    expect(text(readStateFile(file))).toBe('old')
  })

  test('that is not there is nothing; one that can not be read is named, with the error of the system', () => {
    expect(readStateFile(join(folder, 'none'))).toBeUndefined()
    expect(faultOf(() => readStateFile(folder))).toMatchObject({
      code: 'state-unreadable',
      details: { file: folder, errno: 'EISDIR', repair: expect.stringContaining('remove it') },
    })
  })

  test('that can not be written is named, with the error of the system and what to do', () => {
    const file = join(folder, 'file')
    mkdirSync(`${file}.new`)
    expect(faultOf(() => writeStateFile(file, utf8('key')))).toMatchObject({
      code: 'state-unwritable',
      details: { file, errno: 'EISDIR', repair: expect.stringContaining('remove it') },
    })
    const plain = join(folder, 'plain')
    writeFileSync(plain, '')
    expect(faultOf(() => writeStateFile(join(plain, 'key'), utf8('key')))).toMatchObject({
      code: 'state-unwritable',
      details: { file: plain, errno: 'EEXIST', repair: 'a part of this path is a file; choose another folder' },
    })
  })
})

describe('loading state', () => {
  const parse = (bytes: Uint8Array): string | undefined => {
    if (bytes.length === 0) throw new RangeError('empty')
    return bytes.length === 4 ? 'parsed' : undefined
  }

  test('gives what was made of the content, and nothing where there is no file', () => {
    const file = join(folder, 'keys')
    expect(loadState(file, parse)).toBeUndefined()
    writeStateFile(file, new Uint8Array(4))
    expect(loadState(file, parse)).toBe('parsed')
  })

  test.each([
    ['too short', 3],
    ['too long', 5],
    ['empty', 0],
  ])('of a file that is %s fails with its name, and leaves it as it is', (_, length) => {
    const file = join(folder, 'keys')
    writeFileSync(file, new Uint8Array(length).fill(7))
    const { ino, mtimeMs } = statSync(file)
    const fault = faultOf(() => loadState(file, parse))
    expect([fault.code, fault.details]).toEqual(['state-corrupt', { file }])
    expect(statSync(file)).toMatchObject({ ino, mtimeMs, size: length })
    expect(readdirSync(folder)).toEqual(['keys'])
  })
})
