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

/** To the thread that searches: inode, uid and control group of each socket. Numbers in one block are copied fastest. */
export type SearchOrder = Float64Array<ArrayBuffer>

export function packSockets(sockets: readonly WantedSocket[]): SearchOrder {
  return Float64Array.from(sockets.flatMap(({ inode, uid, cgroup }) => [inode, uid, cgroup]))
}

export function unpackSockets(order: SearchOrder): WantedSocket[] {
  const sockets: WantedSocket[] = []
  for (let at = 0; at + 2 < order.length; at += 3) {
    const [inode = 0, uid = 0, cgroup = 0] = order.subarray(at, at + 3)
    sockets.push({ inode, uid, cgroup })
  }
  return sockets
}

/** From it: one for each socket. Undefined means unknown. */
export interface SearchReport {
  readonly found: readonly (readonly [inode: number, holder: Holder | undefined])[]
}
