import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { SignedEpochs } from '../../../directory/consensus/signed-epochs.ts'
import { faultOf } from '../../support/fault-of.ts'

const [A, B] = ['aa'.repeat(32), 'bb'.repeat(32)]
let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-signed-'))
  file = join(folder, 'signed-epochs')
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a directory', () => {
  test('signs one thing of each kind for an epoch, again if asked, and nothing older, also after a restart', () => {
    const before = new SignedEpochs(file)
    expect([before.claim('vote', 7, A!), before.claim('vote', 7, A!), before.claim('vote', 7, B!)]).toEqual([
      ...[true, true, false],
    ])
    expect([before.claim('log', 7, B!), before.claim('echo', 6, B!)]).toEqual([true, true])
    const after = new SignedEpochs(file)
    expect([after.claim('vote', 7, A!), after.claim('vote', 7, B!), after.claim('vote', 6, A!)]).toEqual([
      ...[true, false, false],
    ])
    expect([after.claim('log', 7, A!), after.claim('echo', 7, B!), after.claim('vote', 8, B!)]).toEqual([
      ...[false, true, true],
    ])
  })

  test('signs nothing that it can not write down first', () => {
    const signed = new SignedEpochs(file)
    mkdirSync(`${file}.new`) // what is written beside the file can not be opened
    expect(faultOf(() => signed.claim('log', 7, A!)).code).toBe('state-unwritable')
    rmSync(`${file}.new`, { recursive: true })
    expect([signed.claim('log', 7, B!), signed.claim('log', 7, A!)]).toEqual([true, false])
  })

  test('does not start with a damaged file', () => {
    for (const length of [0, 107, 109]) {
      writeFileSync(file, new Uint8Array(length))
      expect(faultOf(() => new SignedEpochs(file)).code).toBe('state-corrupt')
    }
  })
})
