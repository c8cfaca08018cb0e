import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { AppLab, type End, whyNoAppLab } from '../e2e/support/app-lab.ts'

/*
 * Row 50: a connection is taken for another program's. A rule for that program would then let it out. Every test here
 * ends with the right app, or with none: unknown means the strict rule, never a guess.
 */

const TCP = 6
const UDP = 17
const LOOPBACK = '127.0.0.1'
const ELSEWHERE: End = ['127.0.0.9', 53]
const USER = 1000

const impossible = whyNoAppLab()
const describeLab = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`attacks by processes are skipped: ${impossible}`)

describeLab('whose connection it is', () => {
  let lab: AppLab
  let server: End
  let honest: string
  let evil: string

  beforeAll(async () => {
    lab = new AppLab()
    server = await lab.listen(LOOPBACK)
    honest = lab.program('honest')
    evil = lab.program('evil')
  })

  afterAll(() => lab.close())

  const flow = (local: End, protocol = TCP, destination = server) => ({ protocol, source: local, destination })

  test('a pid that is used again is not the program that had it before', async () => {
    const first = await lab.start(honest)
    const { local, inode } = await first.open({ kind: 'tcp', remote: server })
    const before = flow(local)
    expect(await lab.inodes(before)).toEqual([inode])
    expect(await lab.known(before)).toMatchObject({ path: honest, pid: first.pid })
    await first.kill()
    await lab.command({ lastPid: first.pid - 1 })
    const second = await lab.start(evil)
    expect(second.pid).toBe(first.pid)
    const opened = await second.open({ kind: 'tcp', remote: server })
    expect(await lab.known(flow(opened.local))).toMatchObject({ path: evil })
    expect(await lab.find({ ...before, inodes: [inode] })).toBeUndefined()
    await second.kill()
  })

  test('a process that becomes another program takes its socket with it', async () => {
    const program = await lab.start(honest)
    const { local } = await program.open({ kind: 'tcp', remote: server, inherited: true })
    expect((await lab.known(flow(local))).path).toBe(honest)
    await program.tell({ op: 'become', args: lab.args(evil) })
    expect((await lab.known(flow(local))).path).toBe(evil)
    await program.kill()
  })

  test('what a process opens after it became another program is that program’s, though it was known as the first', async () => {
    const program = await lab.start(honest)
    for (let i = 0; i < 3; i++) {
      const { local } = await program.open({ kind: 'tcp', remote: server })
      expect((await lab.known(flow(local))).path).toBe(honest)
    }
    await program.tell({ op: 'become', args: lab.args(evil) })
    for (let i = 0; i < 3; i++) {
      const { local } = await program.open({ kind: 'tcp', remote: server })
      expect((await lab.known(flow(local))).path).toBe(evil)
    }
    await program.kill()
  })

  test('a process that ended right after it sent is nobody', async () => {
    const living = await lab.start(honest)
    await living.open({ kind: 'udp', local: [LOOPBACK, 0] })
    for (let i = 0; i < 5; i++) {
      const short = await lab.start(evil)
      const { local } = (await short.tell({ op: 'send', local: [LOOPBACK, 0], remote: ELSEWHERE })) as { local: End }
      await short.kill()
      expect(await lab.find({ ...flow(local, UDP, ELSEWHERE), uid: 0 })).toBeUndefined()
    }
    await living.kill()
  })

  test('a connection that is over is not taken for the server on its port', async () => {
    const listener = await lab.listen(LOOPBACK)
    const gone = flow(listener, TCP, [LOOPBACK, 9])
    expect(await lab.inodes(gone)).toEqual([])
    expect(await lab.find(gone)).toBeUndefined()
  })

  test('a setuid program is itself, with the rights that it has, and not who started it', async () => {
    const setuid = lab.program('setuid', 0o4755)
    const starter = await lab.start(evil, { uid: USER })
    const program = await lab.start(setuid, { uid: USER })
    expect([starter.uid, program.uid]).toEqual([USER, 0])
    const { local } = await program.open({ kind: 'tcp', remote: server })
    const mine = await starter.open({ kind: 'tcp', remote: server })
    expect(await lab.known(flow(local))).toMatchObject({ path: setuid, uid: 0, key: `0 path:${setuid}` })
    expect(await lab.known(flow(mine.local))).toMatchObject({ path: evil, uid: USER })
    await program.kill()
    await starter.kill()
  })

  test.each([
    ['another user', 1001],
    ['root', undefined],
  ])('a socket that is handed to a program of %s is nobody’s', async (_, uid) => {
    const giver = await lab.start(evil, { uid: USER })
    const taker = await lab.start(honest, uid === undefined ? {} : { uid })
    const { local, inode } = await giver.open({ kind: 'tcp', remote: server })
    const way = `${lab.folder}/way-${uid ?? 0}`
    await taker.tell({ op: 'take', path: way })
    expect(await giver.tell({ op: 'give', path: way })).toEqual({})
    expect(await lab.inodes(flow(local))).toEqual([inode])
    expect(await lab.find(flow(local))).toBeUndefined()
    await giver.kill()
    await taker.kill()
  })

  test('a socket that two programs have open is nobody’s', async () => {
    const user = 1002
    const parent = await lab.start(honest, { uid: user })
    const { local } = await parent.open({ kind: 'tcp', remote: server, inherited: true })
    await parent.tell({ op: 'start', args: ['/bin/sleep', '60'] })
    expect(await lab.find(flow(local))).toBeUndefined()
    await parent.kill()
  })

  test('a UDP port that two programs share is nobody’s, whichever of them the kernel would name', async () => {
    const [one, other] = [await lab.start(honest), await lab.start(evil)]
    const { local } = await one.open({ kind: 'udp', local: [LOOPBACK, 0], shared: true })
    const shared = flow(local, UDP, ELSEWHERE)
    expect(await lab.known({ ...shared, uid: 0 })).toMatchObject({ path: honest })
    await other.open({ kind: 'udp', local, shared: true })
    expect(await lab.find({ ...shared, uid: 0 })).toBeUndefined()
    await other.kill()
    const again = await lab.start(honest)
    await again.open({ kind: 'udp', local, shared: true })
    expect(await lab.known({ ...shared, uid: 0 })).toMatchObject({ path: honest })
    await one.kill()
    await again.kill()
  })

  test('a UDP port that programs of two users have: the one whose user sent it', async () => {
    const owner = await lab.start(honest)
    const { local } = await owner.open({ kind: 'udp', local: [LOOPBACK, 0] })
    expect(await lab.find({ ...flow(local, UDP, ELSEWHERE), uid: USER })).toBeUndefined()
    expect(await lab.known({ ...flow(local, UDP, ELSEWHERE), uid: 0 })).toMatchObject({ path: honest })
    await owner.kill()
  })

  test('a process of another pid namespace has the pid that it has here', async () => {
    const inner = await lab.start(honest, { before: ['unshare', '--pid', '--fork', '--kill-child'] })
    const { local } = await inner.open({ kind: 'tcp', remote: server })
    const app = await lab.known(flow(local))
    expect(app).toMatchObject({ path: honest })
    // The one that has the socket is the child of `unshare`, which has not.
    expect(app.pid).toBeGreaterThan(inner.pid)
    await inner.kill()
  })

  test('a file that another mount namespace puts in the place of a program is not that program', async () => {
    const disguise = ['unshare', '--mount', 'sh', '-c', `mount --bind ${evil} ${honest} && exec "$0" "$@"`]
    const inner = await lab.start(honest, { before: disguise })
    const { local, inode } = await inner.open({ kind: 'tcp', remote: server })
    expect(await lab.inodes(flow(local))).toEqual([inode])
    expect(await lab.find(flow(local))).toBeUndefined()
    await inner.kill()
    const plain = await lab.start(honest, { before: ['unshare', '--mount'] })
    const opened = await plain.open({ kind: 'tcp', remote: server })
    expect((await lab.known(flow(opened.local))).path).toBe(honest)
    await plain.kill()
  })

  test('a socket of another network namespace is nobody’s', async () => {
    const up = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"']
    const inner = await lab.start(honest, { before: up })
    const { local } = await inner.open({ kind: 'udp', local: [LOOPBACK, 0] })
    expect(await lab.find(flow(local, UDP, ELSEWHERE))).toBeUndefined()
    await inner.kill()
  })
})
