import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { MAX_FIND_MS } from '../../client/apps/app-finder.ts'
import { AppLab, type End, whyNoAppLab } from './support/app-lab.ts'

const TCP = 6
const UDP = 17
const USER = 1000

const impossible = whyNoAppLab()
const describeLab = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`tests of apps are skipped: ${impossible}`)

describeLab('the app of a connection', () => {
  let lab: AppLab
  let file: string

  beforeAll(() => {
    lab = new AppLab()
    file = lab.program('program')
  })

  afterAll(() => lab.close())

  test.each([
    ['IPv4', '127.0.0.1', {}, '127.0.0.1'],
    ['IPv6', '::1', {}, '::1'],
    ['a dual-stack socket', '127.0.0.1', { family: 6, remoteHost: '::ffff:127.0.0.1' }, '127.0.0.1'],
  ])(
    'is found for TCP over %s',
    async (_, host, { remoteHost = host, ...options }: Record<string, unknown>, source) => {
      const [, port] = await lab.listen(host)
      const program = await lab.start(file, { uid: USER })
      const { local, inode } = await program.open({ kind: 'tcp', remote: [remoteHost, port], ...options })
      const flow = { protocol: TCP, source: [source, local[1]] as End, destination: [host, port] as End }
      expect(await lab.inodes(flow)).toEqual([inode])
      expect(await lab.known(flow)).toMatchObject({
        path: file,
        pid: program.pid,
        uid: USER,
        key: `${USER} path:${file}`,
      })
      await program.kill()
      expect(await lab.find(flow)).toBeUndefined()
    },
  )

  test.each([
    ['that is connected', { kind: 'udp', remote: ['127.0.0.5', 53] }, '127.0.0.1'],
    ['that is bound to an address', { kind: 'udp', local: ['127.0.0.3', 0] }, '127.0.0.3'],
    ['that is bound to no address', { kind: 'udp', local: ['0.0.0.0', 0] }, '127.0.0.1'],
    ['that is dual-stack', { kind: 'udp', local: ['::', 0], family: 6 }, '127.0.0.1'],
    ['of IPv6', { kind: 'udp', local: ['::', 0] }, '::1'],
  ])('is found for a UDP socket %s', async (_, options, source) => {
    const program = await lab.start(file)
    const { local } = await program.open(options)
    const host = source === '::1' ? '2001:db8::5' : '127.0.0.5'
    const flow = { protocol: UDP, source: [source, local[1]] as End, destination: [host, 53] as End, uid: 0 }
    expect(await lab.known(flow)).toMatchObject({ path: file, pid: program.pid })
    await program.kill()
  })

  test('is found again at once, and looked at again each time', async () => {
    const server = await lab.listen('127.0.0.1')
    const program = await lab.start(file)
    const { local } = await program.open({ kind: 'tcp', remote: server })
    const flow = { protocol: TCP, source: local, destination: server }
    const first = await lab.known(flow)
    expect(first.pid).toBe(program.pid)
    for (let i = 0; i < 50; i++) expect(await lab.known(flow)).toEqual(first)
    const others = await Promise.all(Array.from({ length: 50 }, () => lab.known(flow)))
    expect(others).toEqual(Array.from({ length: 50 }, () => first))
    await program.kill()
  })

  test('stays the same when its file is replaced', async () => {
    const replaced = lab.program('replaced')
    const server = await lab.listen('127.0.0.1')
    const program = await lab.start(replaced)
    lab.remove(replaced)
    const { local } = await program.open({ kind: 'tcp', remote: server })
    expect(await lab.known({ protocol: TCP, source: local, destination: server })).toMatchObject({ path: replaced })
    await program.kill()
  })

  test('of a daemon that gives up being root: sockets from before and after', async () => {
    const server = await lab.listen('127.0.0.1')
    const daemon = await lab.start(file)
    const before = await daemon.open({ kind: 'tcp', remote: server })
    const flow = (local: End) => ({ protocol: TCP, source: local, destination: server })
    expect((await lab.known(flow(before.local))).uid).toBe(0)
    await daemon.tell({ op: 'drop', uid: USER })
    const after = await daemon.open({ kind: 'tcp', remote: server })
    expect(await lab.known(flow(after.local))).toMatchObject({ path: file, uid: USER })
    expect(await lab.known(flow(before.local))).toMatchObject({ path: file, uid: 0 })
    await daemon.kill()
  })

  test('of an interpreter names its script', async () => {
    const server = await lab.listen('127.0.0.1')
    const python = lab.program('python3.11')
    const program = await lab.start(python)
    const { local } = await program.open({ kind: 'tcp', remote: server })
    const app = await lab.known({ protocol: TCP, source: local, destination: server })
    expect(app).toMatchObject({ path: python, user: 'root' })
    expect(app.script).toMatch(/\/test\/e2e\/support\/app-program\.py$/)
    expect(app.key).toBe(`0 path:${python} ${app.script}`)
    await program.kill()
  })

  test('nobody has: unknown, and soon', async () => {
    // A machine that is busy adds to the slower ones, never takes away.
    let fastestMs = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 10 && fastestMs >= MAX_FIND_MS; tries++) {
      const asked = await lab.command({
        find: { protocol: TCP, source: ['127.0.0.1', 1], destination: ['127.0.0.1', 2] },
      })
      expect(asked.app).toBeUndefined()
      fastestMs = Math.min(fastestMs, Number(asked.ms))
    }
    expect(fastestMs).toBeLessThan(MAX_FIND_MS)
  })

  test('is unknown in time when the search takes too long, and found when it is over', async () => {
    const server = await lab.listen('127.0.0.1')
    const program = await lab.start(file)
    const { local } = await program.open({ kind: 'tcp', remote: server })
    const flow = { protocol: TCP, source: local, destination: server }
    await lab.command({ burden: 5_000_000 })
    const asked = await lab.command({ find: flow })
    expect(asked.app).toBeUndefined()
    expect(asked.ms).toBeGreaterThan(MAX_FIND_MS - 5)
    expect(await lab.known(flow)).toMatchObject({ path: file })
    await program.kill()
  })

  test('is unknown for ever, and that is told, when the thread that searches has ended', async () => {
    const other = new AppLab()
    try {
      const server = await other.listen('127.0.0.1')
      const program = await other.start(file)
      const { local } = await program.open({ kind: 'tcp', remote: server })
      const flow = { protocol: TCP, source: local, destination: server }
      expect(await other.known(flow)).toMatchObject({ path: file })
      await other.command({ break: true })
      expect(await other.find(flow)).toBeUndefined()
      expect(other.failures).toEqual(['internal'])
    } finally {
      await other.close()
    }
  })

  test('can be cut off: its socket is listed, and ended by its cookie alone', async () => {
    const server = await lab.listen('127.0.0.1')
    const program = await lab.start(file)
    const { local, inode } = await program.open({ kind: 'tcp', remote: server })
    const other = await program.open({ kind: 'tcp', remote: server })
    const flow = { protocol: TCP, source: local, destination: server }
    const sockets = async () => (await lab.command({ list: TCP })).sockets as { inode: number; ports: number[] }[]
    const listed = async () => (await sockets()).map((socket) => socket.inode)
    expect(await sockets()).toContainEqual({ inode, ports: [local[1], server[1]] })
    expect(await listed()).toContain(other.inode)
    expect(await lab.command({ destroy: flow })).toMatchObject({ wrong: false, destroyed: true })
    expect(await listed()).not.toContain(inode)
    expect(await listed()).toContain(other.inode)
    expect(await lab.command({ destroy: flow })).toMatchObject({ destroyed: false })
    await program.kill()
  })

  test('can be cut off over UDP too', async () => {
    const program = await lab.start(file)
    const { local, inode } = await program.open({ kind: 'udp', remote: ['127.0.0.5', 53] })
    const flow = { protocol: UDP, source: local, destination: ['127.0.0.5', 53] as End }
    expect((await lab.command({ list: UDP })).sockets).toContainEqual({ inode, ports: [local[1], 53] })
    expect(await lab.command({ destroy: flow })).toMatchObject({ wrong: false, destroyed: true })
    await program.kill()
  })
})
