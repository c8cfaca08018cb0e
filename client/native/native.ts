import { createRequire } from 'node:module'
import { Fault } from '../../shared/base/fault.ts'

/** What the addon in this folder offers on Linux. */
export interface NativeAddon {
  /** Binds the queue at once. @throws an error whose `code` is EPERM (no CAP_NET_ADMIN), EBUSY (taken) or another errno */
  readonly NfQueue: new (
    options: NfQueueOptions,
    onPackets: (packets: QueuedPacket[]) => void,
  ) => NfQueue
  /** Where an accepted TCP socket wanted to go before it was redirected. Undefined if the kernel does not know. */
  originalDestination(fd: number): NativeEndpoint | undefined
  /**
   * Both ends, as the program wanted them, of a redirected connection, asked by the ends that the listener sees.
   * `protocol` is the IP protocol number; of an echo request `local` is who asks, with its identifier, and the other port is
   * 0. Undefined if the kernel does not track it. @throws an error with a `code`
   */
  originalFlow(
    protocol: number,
    local: Uint8Array,
    localPort: number,
    peer: Uint8Array,
    peerPort: number,
  ): { readonly source: NativeEndpoint; readonly destination: NativeEndpoint } | undefined
  /** The kernel tracks this connection no longer: its next packet is a first one. Arguments and errors as above. */
  forgetFlow(protocol: number, local: Uint8Array, localPort: number, peer: Uint8Array, peerPort: number): void
  /**
   * Sends a whole IP packet, from its header on, to the destination that stands in it, whatever its source.
   * @throws an error whose `code` is EPERM (no CAP_NET_RAW) or another errno
   */
  sendPacket(packet: Uint8Array): void
  /**
   * The descriptor of a TCP (6) or UDP (17) socket that is bound to an address which only a route makes local.
   * @throws an error with a `code`
   */
  bindForeign(protocol: number, address: Uint8Array, port: number): number
  /** The name of an interface; undefined if it is there no more. */
  interfaceName(index: number): string | undefined
  /**
   * Makes the kernel forget every tracked connection whose mark is this under the mask: its next packet is a new one, for
   * the rules too. @throws an error with a `code`
   */
  forgetConnections(mark: number, mask: number): void
  /**
   * How soon the scheduler runs the calling thread: its nice value, and how long it runs at a time (0: as it is).
   * @throws an error whose `code` is EPERM (no CAP_SYS_NICE) or another errno
   */
  hurryThread(nice: number, sliceMicroseconds: number): void
  /** Sends a datagram to a unix socket, which may have an abstract name (`@name`). @throws an error with a `code` */
  notifyService(socket: string, message: string): void
  readonly SocketDiag: new () => SocketDiag
  /**
   * Which of these sockets a process has open, and what the process is: all read of one process and one program.
   * `texts` are left out if the mark is the known one. Without `mark` the process ended while it was looked at, or
   * became another program. Undefined if it has none of them, or may not be looked at.
   */
  findOpenSockets(pid: number, inodes: Uint32Array, knownMark?: string): SocketHolder | undefined
  /** Does this process still have the socket open, as the same program as when its mark was read? */
  hasOpenSocket(pid: number, inode: number, descriptor: number, mark: string): boolean
  readonly NearProcesses: new () => NearProcesses
  /** @throws an error whose `code` is EPERM (no CAP_NET_ADMIN), EPROTONOSUPPORT (not in this network namespace) or another */
  readonly ExecWatch: new (options: {
    readonly maxPrograms: number
    /** So long a program is remembered that has ended. */
    readonly keepMs: number
  }) => ExecWatch
}

/** A socket of this computer, as the kernel knows it. */
export interface LocalSocket {
  /** Not used again while the computer runs (before 2^32 others). */
  readonly inode: number
  /** Who made it. */
  readonly uid: number
  /** Never used again. */
  readonly cookie: bigint
  /** Id of the unified control group in which it was made; 0 if there are none. */
  readonly cgroup: number
}

export interface ListedSocket extends LocalSocket {
  /** Its own end; of an unconnected UDP socket all zeros, or the address that it is bound to. */
  readonly source: NativeEndpoint
  readonly destination: NativeEndpoint
}

/** `protocol` is the IP protocol number: 6 or 17. Sockets of this network namespace only, and only those that a process has. */
export interface SocketDiag {
  /**
   * The sockets that may have sent a packet from `source` to `destination`: one at most for TCP; several for UDP, where
   * programs may share a port. @throws an error with a `code`
   */
  find(
    protocol: number,
    source: Uint8Array,
    sourcePort: number,
    destination: Uint8Array,
    destinationPort: number,
  ): LocalSocket[]
  /** The sockets that take what comes in there; of UDP several, where programs share a port. @throws an error with a `code` */
  findListening(protocol: number, address: Uint8Array, port: number): LocalSocket[]
  /** For TCP those that are connected or about to be, for UDP all. @throws an error with a `code` */
  list(protocol: number): ListedSocket[]
  /**
   * Ends a socket: its program gets ECONNABORTED. False if it is not there any more, also if another one has its ends.
   * @throws an error whose `code` is EPERM (no CAP_NET_ADMIN), EOPNOTSUPP (a kernel without it) or another
   */
  destroy(
    protocol: number,
    source: Uint8Array,
    sourcePort: number,
    destination: Uint8Array,
    destinationPort: number,
    cookie: bigint,
  ): boolean
  close(): void
}

export interface SocketHolder {
  readonly sockets: readonly { readonly inode: number; readonly descriptor: number }[]
  /** Ticks since the start of the computer. With its pid it names a process for ever. */
  readonly startTime: string
  /** Another one for every program that the process becomes. */
  readonly mark?: string
  readonly texts?: ProcessTexts
}

/**
 * A few processes that had sockets lately, looked at within microseconds: only where such a process would have its next
 * socket. What is not found here may be theirs all the same.
 */
export interface NearProcesses {
  /** This process, as the program with this mark, has a socket as this descriptor. The oldest process goes. */
  remember(pid: number, mark: string, descriptor: number): void
  /** Of these sockets those that such a process has open, while it has its mark: inode, pid and descriptor of each. */
  find(inodes: Uint32Array): readonly number[]
  /** Forgets them all. */
  close(): void
}

/** Of /proc/PID. What is no UTF-8 holds U+FFFD. */
export interface ProcessTexts {
  readonly exe: string
  readonly cwd: string
  /** Arguments, each ended by a NUL; cut off after 4096 bytes. */
  readonly commandLine: string
  readonly status: string
  readonly cgroup: string
  /** Only of programs in an AppImage, else empty. */
  readonly environment: string
  /** Only of programs that see other mounts than this one, else empty. */
  readonly flatpakInfo: string
  /** At the path of `exe` there is another file for us than for the program, or none. */
  readonly isElsewhere: boolean
}

export interface ExecWatch {
  /** What the process was started as last. Undefined if it was started before the watch, is over for long, or was too fast. */
  find(pid: number, startTime: string): ProcessTexts | undefined
  /** Idempotent. */
  close(): void
}

export interface NativeEndpoint {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array
  readonly port: number
}

export interface NfQueueOptions {
  /** 0 to 65535. */
  readonly queue: number
  /** So many bytes of each packet are copied; 65531 is the most, and means whole packets. */
  readonly copyRange: number
  /** So many packets without a verdict the kernel holds; it drops the ones beyond. */
  readonly maxLength: number
  /** Bytes of unread messages; a small packet takes 832. */
  readonly receiveBuffer: number
}

/** One packet that waits in the kernel for a verdict. */
export interface QueuedPacket {
  readonly id: number
  readonly mark: number
  /** Of the sending socket; undefined for packets that the kernel made, and of sockets that are closed already. */
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** Netfilter hook: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting. */
  readonly hook: number
  /** 0x0800 for IPv4, 0x86dd for IPv6. */
  readonly etherType: number
  /** Indices of interfaces; each undefined where the packet has none yet, or any more. */
  readonly inInterface: number | undefined
  readonly outInterface: number | undefined
  /** The packet from its IP header on, cut off at `copyRange`. A copy: the receiver's to keep. */
  readonly payload: Uint8Array
}

export interface NfQueue {
  /**
   * In any order and at any time, once per packet. `mark` replaces the packet's whole mark.
   * Sent when the packets' callback returns, and otherwise by `flush`.
   */
  verdict(id: number, accept: boolean, mark?: number): void
  flush(): void
  /** Idempotent. Packets without a verdict are dropped. */
  close(): void
  stats(): {
    readonly packets: number
    /** How often the kernel had to throw packets away because they were not read in time. */
    readonly overruns: number
    /** Verdicts for packets that the kernel does not hold. */
    readonly rejectedVerdicts: number
  }
}

const ADDON_FILE = './build/Release/spn_native.node'

let loaded: NativeAddon | undefined

/** The addon, which is loaded once per thread. @throws Fault addon-missing */
export function loadNative(): NativeAddon {
  try {
    loaded ??= createRequire(import.meta.url)(ADDON_FILE) as NativeAddon
    return loaded
  } catch (error) {
    throw new Fault('addon-missing', { repair: 'run `npm run setup`' }, error)
  }
}
