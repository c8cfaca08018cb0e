import { beforeEach, describe, expect, test } from '@jest/globals'
import { MAX_PIDS, RememberedPids } from '../../../client/apps/remembered-pids.ts'
import type { Holder } from '../../../client/apps/search-messages.ts'
import { MAX_WAITING, type ProcessSource, SocketSearch } from '../../../client/apps/socket-search.ts'
import type { ProcessTexts } from '../../../client/native/native.ts'

/** A process of a made-up computer. */
interface TestProcess {
  exe: string
  inodes: number[]
  uids?: number[]
  startTime?: string
  /** It ends while it is looked at. */
  ends?: boolean
}

const TREE = 25

/** Processes that a test makes, and how often each was looked at. */
class TestComputer implements ProcessSource {
  readonly processes = new Map<number, TestProcess>()
  readonly cgroups = new Map<number, number[]>()
  readonly ended = new Map<string, string>()
  looks: number[] = []

  pids() {
    return [...this.processes.keys()].sort((a, b) => b - a)
  }

  pidsOfCgroup(id: number) {
    return this.cgroups.get(id)
  }

  findOpenSockets(pid: number, inodes: Uint32Array, knownMark: string | undefined) {
    this.looks.push(pid)
    const process = this.processes.get(pid)
    const open = process?.inodes.filter((inode) => inodes.includes(inode)) ?? []
    if (process === undefined || open.length === 0) return undefined
    const { exe, startTime = `${pid}`, uids = [0, 0, 0, 0] } = process
    const sockets = open.map((inode) => ({ inode, descriptor: 3 }))
    if (process.ends === true) return { sockets, startTime }
    const mark = `${startTime} ${exe}`
    return { sockets, startTime, mark, ...(mark === knownMark ? {} : { texts: textsOf(exe, uids) }) }
  }

  endedProgram(pid: number, startTime: string) {
    const exe = this.ended.get(`${pid} ${startTime}`)
    return exe === undefined ? undefined : textsOf(exe, [0, 0, 0, 0])
  }

  userNames() {
    return new Map<number, string>()
  }
}

function textsOf(exe: string, uids: readonly number[]): ProcessTexts {
  const status = `Uid:\t${uids.join('\t')}\n`
  return { exe, status, cwd: '', commandLine: '', cgroup: '', environment: '', flatpakInfo: '', isElsewhere: false }
}

let computer: TestComputer
let search: SocketSearch

beforeEach(() => {
  computer = new TestComputer()
  search = new SocketSearch(computer)
})

const socket = (inode: number, changes: { uid?: number; cgroup?: number } = {}) => ({
  ...{ inode, uid: 0, cgroup: 1 },
  ...changes,
})

/** Paths by inode, after at most so many steps. */
function run(steps = 1_000, perStep = 4): Map<number, string | undefined> {
  const found: [number, Holder | undefined][] = []
  for (let i = 0; i < steps && !search.isIdle; i++) found.push(...search.step(perStep))
  return new Map(found.map(([inode, holder]) => [inode, holder?.program.app.path]))
}

describe('the search for the process of a socket', () => {
  test('looks through all processes, the newest first, and then knows where to look', () => {
    for (let pid = 1; pid <= TREE; pid++) computer.processes.set(pid, { exe: `/p${pid}`, inodes: [pid * 10] })
    search.add([socket(70)])
    expect(run()).toEqual(new Map([[70, '/p7']]))
    expect(computer.looks).toEqual(Array.from({ length: TREE }, (_, i) => TREE - i))
    computer.looks = []
    computer.processes.get(7)?.inodes.push(71)
    search.add([socket(71)])
    expect(run()).toEqual(new Map([[71, '/p7']]))
    expect(computer.looks).toEqual([7])
  })

  test('looks only at the processes of the control group in which the socket was made', () => {
    for (let pid = 1; pid <= TREE; pid++) computer.processes.set(pid, { exe: `/p${pid}`, inodes: [pid * 10] })
    computer.cgroups.set(9, [4, 3])
    search.add([socket(30, { cgroup: 9 })])
    expect(run()).toEqual(new Map([[30, '/p3']]))
    expect(computer.looks).toEqual([4, 3])
    // It was made there, and somebody else has it now.
    search.add([socket(50, { cgroup: 9 })])
    expect(run()).toEqual(new Map([[50, undefined]]))
  })

  test('knows nothing of a socket that nobody has, or that two apps have', () => {
    computer.processes.set(1, { exe: '/a', inodes: [10, 11] })
    computer.processes.set(2, { exe: '/b', inodes: [10] })
    computer.processes.set(3, { exe: '/a', inodes: [11] })
    search.add([socket(10), socket(11), socket(12)])
    expect(run()).toEqual(
      new Map([
        [10, undefined],
        [11, '/a'],
        [12, undefined],
      ]),
    )
  })

  test('takes a pid that is used again for what it is now', () => {
    computer.processes.set(1, { exe: '/a', inodes: [10] })
    search.add([socket(10)])
    run()
    computer.processes.set(1, { exe: '/b', inodes: [11], startTime: 'later' })
    search.add([socket(10), socket(11)])
    expect(run()).toEqual(
      new Map([
        [10, undefined],
        [11, '/b'],
      ]),
    )
  })

  test('reads the users of a process again when a socket does not fit them', () => {
    computer.processes.set(1, { exe: '/a', inodes: [10] })
    search.add([socket(10)])
    run()
    computer.processes.set(1, { exe: '/a', inodes: [10, 11], uids: [33, 33, 33, 33] })
    search.add([socket(11, { uid: 33 })])
    expect(run()).toEqual(new Map([[11, '/a']]))
    search.add([socket(11, { uid: 34 })])
    expect(run()).toEqual(new Map([[11, undefined]]))
  })

  test('knows a program that ended while it was looked at only if that was seen to be started', () => {
    computer.processes.set(1, { exe: '/a', inodes: [10], ends: true })
    search.add([socket(10)])
    expect(run()).toEqual(new Map([[10, undefined]]))
    computer.ended.set('1 1', '/a')
    search.add([socket(10)])
    expect(run()).toEqual(new Map([[10, '/a']]))
    computer.processes.set(1, { exe: '/b', inodes: [10], ends: true, startTime: 'later' })
    search.add([socket(10)])
    expect(run()).toEqual(new Map([[10, undefined]]))
  })

  test('looks for as many sockets as there is room for, and not for one more', () => {
    computer.processes.set(1, { exe: '/a', inodes: [MAX_WAITING, MAX_WAITING + 1] })
    const inodes = Array.from({ length: MAX_WAITING + 1 }, (_, i) => i + 1)
    search.add(inodes.slice(0, -10).map((inode) => socket(inode)))
    search.add(inodes.slice(-10).map((inode) => socket(inode)))
    search.add([socket(MAX_WAITING + 1)])
    const found = run()
    expect([found.size, found.get(MAX_WAITING)]).toEqual([MAX_WAITING, '/a'])
    search.add([socket(MAX_WAITING + 1)])
    expect(run()).toEqual(new Map([[MAX_WAITING + 1, '/a']]))
  })

  test('answers for processes that are known while it looks through the others', () => {
    for (let pid = 1; pid <= 1_000; pid++) computer.processes.set(pid, { exe: `/p${pid}`, inodes: [pid * 10] })
    search.add([socket(10)])
    run()
    search.add([socket(5)])
    expect(run(3)).toEqual(new Map())
    computer.processes.get(1)?.inodes.push(11)
    search.add([socket(11)])
    expect(run(1)).toEqual(new Map([[11, '/p1']]))
    expect(run()).toEqual(new Map([[5, undefined]]))
  })
})

describe('processes that are looked at first', () => {
  test('are the last ones of their place, and no more than there is room for', () => {
    const remembered = new RememberedPids(2)
    for (let pid = 1; pid <= MAX_PIDS + 1; pid++) remembered.add('a', pid)
    expect(remembered.get('a')).toEqual(Array.from({ length: MAX_PIDS }, (_, i) => MAX_PIDS + 1 - i))
    remembered.add('b', 1)
    remembered.add('a', 5)
    expect(remembered.get('a')[0]).toBe(5)
    remembered.add('c', 1)
    expect([remembered.get('b'), remembered.get('c')]).toEqual([[], [1]])
  })
})
