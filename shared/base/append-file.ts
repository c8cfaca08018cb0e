import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { PRIVATE_MODE } from './state-file.ts'

/**
 * A file of the state that grows at its end. What was appended outlives this process, however it ends, because the system
 * has it; that it outlives a crash of the computer is not promised: nothing is synced.
 */
export class AppendFile {
  readonly #fd: number

  constructor(file: string) {
    this.#fd = openSync(file, 'a', PRIVATE_MODE)
  }

  /** All of it is there when this returns. @throws errors of the system; a part may be there then */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** It need not be there. @throws errors of the system */
export function removeFile(file: string): void {
  rmSync(file, { force: true })
}

/** In place of what had that name. @throws errors of the system */
export function renameFile(from: string, to: string): void {
  renameSync(from, to)
}
