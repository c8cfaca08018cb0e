import { Fault } from './fault.ts'
import type { FaultCode } from './fault-codes.ts'

type StateFault = Extract<FaultCode, 'state-unreadable' | 'state-unwritable'>

/** What the user can do about it, by the error of the system. */
const REPAIRS: Readonly<Record<string, string>> = {
  EACCES: 'give the user that runs this program the right to it and to its folder',
  EPERM: 'give the user that runs this program the right to it and to its folder',
  EROFS: 'choose a folder on a file system that may be written',
  ENOSPC: 'make room on the disk',
  EDQUOT: 'make room on the disk',
  EFBIG: 'raise the limit of file sizes',
  ENOTDIR: 'a part of this path is a file; choose another folder',
  EEXIST: 'a part of this path is a file; choose another folder',
  EISDIR: 'there is a folder of this name, or of this name with .new; remove it',
  ERR_FS_EISDIR: 'there is a folder of this name; remove it',
}
const OTHER_REPAIR = 'see what is wrong with this file and its folder'

/** An error of the system about a file of the state, by its name; other errors stay what they are. */
export function stateFault(code: StateFault, file: string, error: unknown): unknown {
  const { code: errno, syscall } = (error ?? {}) as NodeJS.ErrnoException
  if (errno === undefined || syscall === undefined) return error
  return new Fault(code, { file, errno, repair: REPAIRS[errno] ?? OTHER_REPAIR }, error)
}
