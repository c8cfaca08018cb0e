import type { LocalSocket, NativeEndpoint } from '../native/native.ts'

/** A program of this computer, as rules and isolation know it. For this computer only: never in a log, never sent. */
export interface App {
  /**
   * The same for the same program of the same user, also after a restart or an update: `USER-ID KIND:...`. It is what rules
   * compare and what separates one app's traffic from another's.
   */
  readonly key: string
  /** Of the executable file, without " (deleted)". In a container it is a path of the container. */
  readonly path: string
  /** Who made the socket: for a setuid program its owner, not who started it. */
  readonly uid: number
  readonly user?: string
  readonly pid: number
  /** Of systemd: `ssh.service`, `app-gnome-firefox-2211.scope`. */
  readonly unit?: string
  /** `docker:ID`, `podman:ID`, `containerd:ID`, `lxc:NAME`. */
  readonly container?: string
  /** `flatpak:ID`, `snap:NAME`, `appimage:PATH`. */
  readonly tag?: string
  /** What an interpreter runs: an absolute path. A program can claim any. */
  readonly script?: string
}

/** Undefined means unknown. Never rejects. */
export type FindApp = (query: AppQuery) => Promise<App | undefined>

/** Where nobody can tell. */
export const unknownApp: FindApp = () => Promise.resolve(undefined)

export interface AppQuery {
  /** IP protocol number. */
  readonly protocol: number
  readonly source: NativeEndpoint
  readonly destination: NativeEndpoint
  /** Who sent the packet, if the system said so. */
  readonly uid?: number | undefined
  /** The sockets that may have sent it, if they were asked for already. */
  readonly sockets?: readonly LocalSocket[] | undefined
}
