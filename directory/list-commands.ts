import { parseHex, toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { OperatorPublicKey } from '../shared/crypto/operator-key.ts'
import { changeLists, EMPTY_LISTS, type HubLists, SUBJECTS, type Subject, type Verdict } from './admission/hub-lists.ts'
import { readListFile, writeListFile } from './admission/list-file.ts'
import { KEY_KINDS, loadKey } from './key-files.ts'
import type { DirectoryOptions } from './options.ts'

/** Commands that change the lists, with what becomes of the entry. */
export const LIST_COMMANDS: Readonly<Record<string, Verdict | undefined>> = {
  ban: 'banned',
  discourage: 'discouraged',
  trust: 'trusted',
  unlist: undefined,
}

export interface ListChange {
  readonly options: Pick<DirectoryOptions, 'lists'>
  readonly networkId: Uint8Array
  /** Folder with the key of the operator. */
  readonly keyDir: string
  readonly verdict: Verdict | undefined
  /** `hub:ID`, `family:NAME`, `operator:NAME`, `as:NUMBER` or `country:CC` */
  readonly subject: string
  readonly reason: string
}

/**
 * Changes the file of the lists, signed anew; the directory takes it by itself.
 * @throws Fault options-invalid, state-unwritable, and those of `readListFile`
 */
export function changeListFile({ options, networkId, keyDir, verdict, subject, reason }: ListChange): HubLists {
  const { lists } = options
  if (lists === undefined) {
    throw new Fault('options-invalid', {
      mistakes:
        'lists: expected in the configuration, as "lists": { "file": FILE, "operatorKey": KEY }; `spn-directory keys` shows the key',
    })
  }
  const key = loadKey(keyDir, KEY_KINDS.operator)
  if (toHex(key.publicBytes) !== lists.operatorKey) {
    throw new Fault('options-invalid', {
      mistakes: `lists.operatorKey: the configuration names ${lists.operatorKey}, and ${keyDir} holds the key of ${toHex(key.publicBytes)}; name the folder of the right one with --key-dir`,
    })
  }
  const operator = new OperatorPublicKey(parseHex(lists.operatorKey) as Uint8Array)
  const before = readListFile(lists.file, operator, networkId) ?? EMPTY_LISTS
  const named = subjectOf(subject)
  if (
    verdict === undefined &&
    !before.entries.some((one) => one.subject === named.subject && one.value === named.value)
  ) {
    throw new Fault('options-invalid', { mistakes: `${subject} is on no list; ${lists.file} has all entries` })
  }
  const after = changeLists(before, { ...named, verdict, reason })
  writeListFile(lists.file, after, key, networkId)
  return after
}

function subjectOf(text: string): { subject: Subject; value: string } {
  const at = text.indexOf(':')
  const subject = SUBJECTS.find((one) => one === text.slice(0, Math.max(at, 0)))
  if (subject !== undefined) return { subject, value: text.slice(at + 1) }
  throw new Fault('options-invalid', {
    mistakes: 'expected hub:ID, family:NAME, operator:NAME, as:NUMBER or country:CC behind the command',
  })
}
