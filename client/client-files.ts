import { join } from 'node:path'

/** Where the client keeps its files. */
export interface ClientFiles {
  readonly stateDir: string
  readonly mapFile: string
  /** Two hub maps of one epoch, if there ever were any. */
  readonly proofFile: string
  readonly controlSocket: string
  /** Says which process the daemon is. */
  readonly pidFile: string
}

export function clientFiles(stateDir: string): ClientFiles {
  return {
    stateDir,
    mapFile: join(stateDir, 'hub-map'),
    proofFile: join(stateDir, 'contradiction'),
    controlSocket: join(stateDir, 'control.sock'),
    pidFile: join(stateDir, 'daemon.pid'),
  }
}
