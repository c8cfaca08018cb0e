import { readFileSync } from 'node:fs'
import type { IpFamily } from '../../shared/base/ip-address.ts'
import type { LocalSocket } from '../native/native.ts'
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from './packet.ts'

/** Where the kernel lists sockets of this network namespace. It can not be asked for one of these kinds. */
const FILES = {
  4: { ping: '/proc/thread-self/net/icmp', raw: '/proc/thread-self/net/raw', protocol: PROTOCOL_ICMP },
  6: { ping: '/proc/thread-self/net/icmp6', raw: '/proc/thread-self/net/raw6', protocol: PROTOCOL_ICMPV6 },
} as const

/** Of a user who has more, nobody can tell which one it was anyway. */
const MAX_FOUND = 64

interface Listed extends LocalSocket {
  /** Of a ping socket its identifier, of a raw one its protocol. */
  readonly port: number
}

/**
 * The sockets that may have sent a request for an echo: the ping socket of its identifier, or else all raw sockets for ICMP
 * of this user, which write any identifier.
 */
export function echoSockets(family: IpFamily, identifier: number, uid: number | undefined): readonly LocalSocket[] {
  const { ping, raw, protocol } = FILES[family]
  const isOfUser = (socket: Listed): boolean => uid === undefined || socket.uid === uid
  const mine = listed(ping).filter((socket) => socket.port === identifier && isOfUser(socket))
  if (mine.length > 0) return mine.slice(0, MAX_FOUND)
  return listed(raw)
    .filter((socket) => socket.port === protocol && isOfUser(socket))
    .slice(0, MAX_FOUND)
}

function listed(file: string): Listed[] {
  try {
    return readSocketList(readFileSync(file, 'latin1'))
  } catch {
    return [] // a kernel without this kind
  }
}

/**
 *      sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 *       1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 81234 2 0000000000000000 0
 */
export function readSocketList(text: string): Listed[] {
  return text.split('\n').flatMap((line) => {
    const [, local = '', , , , , , uid = '', , inode = ''] = line.trim().split(/\s+/)
    const port = /:([0-9A-F]{4})$/.exec(local)?.[1]
    if (port === undefined || !/^\d+$/.test(uid) || !/^[1-9]\d*$/.test(inode)) return []
    return { port: Number.parseInt(port, 16), uid: Number(uid), inode: Number(inode), cookie: 0n, cgroup: 0 }
  })
}
