import { expect, test } from '@jest/globals'
import { NearHolders } from '../../../client/apps/near-holders.ts'
import type { NearProcesses } from '../../../client/native/native.ts'

const USER = 1000
const CGROUP = 7

/** What the addon would see: which process has which socket, and who is remembered. */
class Computer {
  readonly open = new Map<number, { pid: number; descriptor: number }>()
  /** Of each place that was made. */
  readonly remembered: number[][] = []
  closed = 0

  readonly native = {
    NearProcesses: placesOf(this),
  }
}

function placesOf(computer: Computer): new () => NearProcesses {
  return class implements NearProcesses {
    readonly pids: number[] = []
    constructor() {
      computer.remembered.push(this.pids)
    }
    remember(pid: number): void {
      this.pids.push(pid)
    }
    find(inodes: Uint32Array): readonly number[] {
      return [...inodes].flatMap((inode) => {
        const { pid = 0, descriptor = 0 } = computer.open.get(inode) ?? {}
        return this.pids.includes(pid) ? [inode, pid, descriptor] : []
      })
    }
    close(): void {
      computer.closed++
    }
  }
}

const socket = (inode: number, uid = USER, cgroup = CGROUP) => ({ inode, uid, cgroup, cookie: BigInt(inode) })
const holderOf = (pid: number, uid = USER) => {
  return {
    program: { app: { key: `${uid} path:/p${pid}`, path: `/p${pid}`, uid, pid }, mark: `m${pid}` },
    descriptor: 5,
  }
}

test('the next socket of a program is its own, with the place at which it was found', () => {
  const computer = new Computer()
  const holders = new NearHolders(computer.native)
  holders.remember(socket(1), holderOf(10))
  computer.open.set(2, { pid: 10, descriptor: 9 })
  const found = holders.find([socket(2), socket(3)])
  expect([...found]).toEqual([[2, { ...holderOf(10), descriptor: 9 }]])
})

test.each([
  ['another user made', USER + 1, CGROUP],
  ['was made in another control group', USER, CGROUP + 1],
])('a socket that %s is not looked for in that program', (_, uid, cgroup) => {
  const computer = new Computer()
  const holders = new NearHolders(computer.native)
  holders.remember(socket(1), holderOf(10))
  computer.open.set(2, { pid: 10, descriptor: 9 })
  expect(holders.find([socket(2, uid, cgroup)]).size).toBe(0)
})

test('at most 32 places of 16 programs are kept; the oldest go, with what they hold', () => {
  const computer = new Computer()
  const holders = new NearHolders(computer.native)
  for (let pid = 1; pid <= 17; pid++) holders.remember(socket(1), holderOf(pid))
  for (const pid of [1, 2]) computer.open.set(pid, { pid, descriptor: 3 })
  expect([...holders.find([socket(1), socket(2)]).keys()]).toEqual([2])
  for (let uid = 1; uid <= 31; uid++) holders.remember(socket(1, uid), holderOf(99, uid))
  expect(computer.closed).toBe(0)
  holders.remember(socket(1, 32), holderOf(99, 32))
  expect(computer.closed).toBe(1)
  expect(holders.find([socket(2)]).size).toBe(0)
  holders.clear()
  expect(computer.closed).toBe(33)
})
