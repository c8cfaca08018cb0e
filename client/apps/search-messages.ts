import type { App } from './app.ts'

/** A socket whose process is looked for. Plain data, since it goes from one thread to another. */
export interface WantedSocket {
  readonly inode: number
  /** Who made it. */
  readonly uid: number
  /** Id of the control group in which it was made. */
  readonly cgroup: number
}

/** Whose a socket is. In a message, sockets of one program share it, so that it is copied once. */
export interface Holder {
  readonly program: Program
  readonly descriptor: number
}

export interface Program {
  readonly app: App
  /** By which it can be seen whether it is still the same; empty if it has ended. */
  readonly mark: string
}

/** To the thread that searches. */
export interface SearchOrder {
  readonly sockets: readonly WantedSocket[]
}

/** From it: one for each socket. Undefined means unknown. */
export interface SearchReport {
  readonly found: readonly (readonly [inode: number, holder: Holder | undefined])[]
}
