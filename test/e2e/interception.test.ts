import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from './support/driver-ports.ts'
import { APP_GID, BOUND_TO_DEVICE, InterceptionLab, OWN_GID, REDIRECT_PORT } from './support/interception-lab.ts'
import type { LineProcess } from './support/line-process.ts'
import { ADDRESSES, CLIENT_DEVICE, whyNoHosts } from './support/two-hosts.ts'

const { client: HERE, server: SERVER, other: OTHER, direct: DIRECT } = ADDRESSES
const FAMILIES = [4, 6] as const
const APP = { gid: APP_GID }

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the interception tests are skipped: ${impossible}`)

describeHosts('while interception runs', () => {
  const lab = new InterceptionLab()
  let client: LineProcess
  const ends: Promise<Readonly<Record<string, unknown>>>[] = []

  beforeAll(async () => {
    await lab.start()
    // Nothing follows connections in this kernel yet: these begin, for it, in their middle.
    for (const family of FAMILIES) {
      const { id } = await lab.command(lab.app, { op: 'hold', host: SERVER[family], port: DRIVER_PORTS.reset })
      ends.push(lab.command(lab.app, { op: 'end', of: id }))
    }
    const started = await lab.intercept()
    expect(started.first).toEqual({ started: true })
    client = started.client
  })

  afterAll(() => lab.close())

  test('a connection from before is over, though the kernel followed none', async () => {
    for (const end of ends) expect(await end).toMatchObject({ result: 'ECONNABORTED' })
  })

  test.each(FAMILIES)('a tunnelled IPv%i connection arrives with its ends and its user', async (family) => {
    const url =
      family === 4 ? `http://${SERVER[4]}:${DRIVER_PORTS.answer}` : `http://[${SERVER[6]}]:${DRIVER_PORTS.answer}`
    const curl = ['-sS', '--http0.9', '--max-time', '60', '--local-port', '40404', url]
    const { stdout } = await lab.hosts.run('client', 'curl', curl, { uid: 65_534, gid: 65_534 })
    expect(JSON.parse(stdout)).toEqual({
      source: family === 4 ? `${HERE[4]}:40404` : `[${HERE[6]}]:40404`,
      destination: url.slice('http://'.length),
      uid: 65_534,
    })
  })

  test.each(FAMILIES)(
    'the client itself reaches the server by IPv%i, and bytes and ends go both ways',
    async (family) => {
      const text = 'x'.repeat(300_000)
      const outcome = await lab.tcp(SERVER[family], DRIVER_PORTS.relay, { text })
      expect(outcome.result).toBe('ok')
      expect(outcome.text).toBe(`hello ${text}`)
    },
  )

  test('what the client has written before it ends still leaves', async () => {
    const received = lab.command(lab.server, { op: 'sink', host: SERVER[4], port: 9002 })
    const { stdout } = await lab.hosts.run('client', process.execPath, ['-e', WRITE_AND_END], { gid: OWN_GID })
    expect(Number(stdout)).toBeGreaterThan(70_000)
    const { result, text } = await received
    expect(result).toBe('ok')
    expect(Number(text)).toBeGreaterThanOrEqual(Number(stdout))
  })

  test.each(FAMILIES)('a program that takes over a port of the client gets no free pass by IPv%i', async (family) => {
    const own = lab.probe('client', OWN_GID)
    const datagram = { op: 'udp', host: SERVER[family], port: DRIVER_PORTS.relay, localPort: 40_600, text: 'own' }
    expect(await lab.command(own, datagram)).toMatchObject({ text: 'own' })
    const sent = await lab.sentByClient(async () => {
      const outcome = await lab.udp(SERVER[family], DRIVER_PORTS.relay, { localPort: 40_600, timeoutMs: 1_000 })
      expect(outcome).toMatchObject({ result: 'timeout' })
    })
    expect(sent).toEqual([])
  })

  test.each([
    [4, 'reset', 'ECONNREFUSED'],
    [6, 'reset', 'ECONNREFUSED'],
    [4, 'unreachable', 'EHOSTUNREACH'],
    [6, 'unreachable', 'EHOSTUNREACH'],
    [4, 'drop', 'timeout'],
    [6, 'drop', 'timeout'],
    [4, 'undecided', 'timeout'],
  ] as const)(
    'an IPv%i connection that is refused by %s ends with %s, and nothing leaves',
    async (family, how, result) => {
      const sent = await lab.sentByClient(async () => {
        const options = result === 'timeout' ? { timeoutMs: 1_300 } : {}
        expect(await lab.tcp(SERVER[family], DRIVER_PORTS[how], options)).toMatchObject({ result })
      })
      expect(sent).toEqual([])
    },
  )

  test('a dropped connection is asked about once, however often its opening is repeated', async () => {
    const from = client.messages.length
    expect(await lab.tcp(SERVER[4], DRIVER_PORTS.drop, { timeoutMs: 1_300 })).toMatchObject({ result: 'timeout' })
    expect(client.messages.slice(from).filter(({ flow }) => flow !== undefined)).toHaveLength(1)
  })

  test('a connection is not there for the program before it is admitted', async () => {
    const { result, ms } = await lab.tcp(SERVER[4], DRIVER_PORTS.slow)
    expect(result).toBe('ok')
    expect(ms).toBeGreaterThan(700)
  })

  test.each(FAMILIES)('IPv%i connections of one local port to two places are not mixed up', async (family) => {
    const outcomes = await Promise.all(
      [SERVER, OTHER].map((host) => lab.tcp(host[family], DRIVER_PORTS.slow, { localPort: 40_500 + family })),
    )
    const understood = outcomes.map(({ text }) => JSON.parse(text) as { source: string; destination: string })
    expect(understood.map(({ destination }) => destination.includes(OTHER[family]))).toEqual([false, true])
    for (const { source } of understood) expect(source.endsWith(`:${40_500 + family}`)).toBe(true)
  })

  test('whoever calls the listener itself is reset', async () => {
    for (const host of ['127.0.0.1', '::1'] as const) {
      const outcome = await lab.command(lab.app, { op: 'tcp', host, port: REDIRECT_PORT })
      expect(outcome).toMatchObject({ result: 'ECONNRESET', text: '' })
    }
  })

  test('pings to the outside do not leave', async () => {
    const sent = await lab.sentByClient(async () => {
      for (const family of FAMILIES) {
        expect((await lab.hosts.run('client', 'ping', ['-c1', '-W1', '-i0.2', SERVER[family]])).code).not.toBe(0)
      }
    })
    expect(sent).toEqual([])
  })

  test('loopback works, by all the names that this computer has', async () => {
    for (const host of ['127.0.0.1', '::1', HERE[4], HERE[6]] as const) {
      await lab.command(lab.app, { op: 'listen', host, port: 9000 })
      expect(await lab.command(lab.app, { op: 'tcp', host, port: 9000, text: 'me' })).toMatchObject({
        text: 'hello me',
      })
      expect(await lab.command(lab.app, { op: 'udp', host, port: 9000, text: 'me' })).toMatchObject({ text: 'me' })
    }
  })

  test.each(FAMILIES)(
    'a direct IPv%i network is reached directly, by everything, without a question',
    async (family) => {
      const from = client.messages.length
      expect(await lab.tcp(DIRECT[family], DRIVER_PORTS.reset, { text: 'me' })).toMatchObject({ text: 'hello me' })
      expect(await lab.udp(DIRECT[family], DRIVER_PORTS.reset)).toMatchObject({ text: 'datagram' })
      expect((await lab.hosts.run('client', 'ping', ['-c1', '-w30', DIRECT[family]])).code).toBe(0)
      expect(client.messages.length).toBe(from)
    },
  )

  test('neighbours find each other, whoever asks', async () => {
    for (const host of ['client', 'server'] as const)
      await lab.hosts.run(host, 'ip', ['-6', 'neighbour', 'flush', 'all'])
    expect(await lab.tcp(SERVER[6], DRIVER_PORTS.relay, { text: 'x' })).toMatchObject({ text: 'hello x' })

    const fresh = '2001:db8::3'
    await lab.hosts.run('client', 'ip', ['address', 'add', `${fresh}/64`, 'dev', CLIENT_DEVICE, 'nodad'])
    await lab.hosts.run('server', 'ping', ['-c1', '-w10', '-I', SERVER[6], fresh])
    const { stdout } = await lab.hosts.run('server', 'ip', ['neighbour', 'show', fresh])
    expect(stdout).toContain('lladdr')
  })

  test('errors about a direct network come in, whoever sends them', async () => {
    const nowhere = '198.19.0.66'
    await lab.hosts.run('server', 'sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    await lab.hosts.run('server', 'ip', ['route', 'add', 'unreachable', nowhere])
    const outcome = await lab.command(lab.app, { op: 'tcp', host: nowhere, port: 80 })
    expect(outcome).toMatchObject({ result: 'EHOSTUNREACH' })
  })

  test.each(FAMILIES)('nobody gets in by IPv%i but direct networks', async (family) => {
    await lab.command(lab.app, { op: 'listen', host: HERE[family], port: 9001 })
    const call = { op: 'tcp', host: HERE[family], port: 9001, text: 'you' }
    const inVain = { ...call, timeoutMs: 500 }
    const sent = await lab.sentByClient(async () => {
      expect(await lab.command(lab.server, inVain)).toMatchObject({ result: 'timeout' })
      await lab.command(lab.server, { ...inVain, op: 'udp', text: `stranger ${family}` })
      expect((await lab.hosts.run('server', 'ping', ['-c1', '-W1', HERE[family]])).code).not.toBe(0)
    })
    expect(lab.app.messages.filter(({ datagram }) => String(datagram).startsWith('stranger'))).toEqual([])
    expect(sent).toEqual([])
    expect(await lab.command(lab.server, { ...call, localAddress: DIRECT[family] })).toMatchObject({
      text: 'hello you',
    })
  })

  test('a program that is bound to the device does not leak, and the client learns that nobody came', async () => {
    const from = client.messages.length
    const nobodyCame = async (family: 4 | 6) => {
      const url = `http://${family === 4 ? SERVER[4] : `[${SERVER[6]}]`}:${DRIVER_PORTS.answer}`
      const { code } = await lab.hosts.run('client', 'curl', ['-sS', '--max-time', '2', ...BOUND_TO_DEVICE, url], APP)
      expect(code).toBe(28)
      const isMine = (about: unknown) => JSON.stringify(about).includes(SERVER[family])
      const message = await client.next(({ arrived }) => arrived !== undefined && isMine(arrived), from)
      expect(message.socket).toBe(false)
    }
    expect(await lab.sentByClient(() => Promise.all(FAMILIES.map(nobodyCame)))).toEqual([])
    expect(client.messages.slice(from).filter(({ flow }) => flow !== undefined)).toHaveLength(2)
  })

  test('a program that marks its own packets does not dodge', async () => {
    const from = client.messages.length
    const sent = await lab.sentByClient(async () => {
      const { stdout, stderr } = await lab.hosts.run('client', 'python3', ['-c', MARKING], APP)
      expect({ stdout, stderr }).toEqual({ stdout: '(113, 111)\n'.repeat(8), stderr: '' })
    })
    expect(sent).toEqual([])
    expect(client.messages.slice(from).filter(({ flow }) => flow !== undefined)).toHaveLength(8)
  })
})

/** Gives the kernel as many bytes as it takes, says how many these are, and ends: the kernel has to send the rest alone. */
const WRITE_AND_END = `
const socket = net.connect(9002, '${SERVER[4]}', () => {
  let taken = 0
  for (;;) {
    socket.write(Buffer.alloc(5_000))
    if (socket.writableLength > 0) break
    taken += 5_000
  }
  process.stdout.write(String(taken))
  process.exit()
})`

/** For each value of our byte a datagram, which is refused (113: EHOSTUNREACH), and a connection, which is reset (111: ECONNREFUSED). */
const MARKING = `
import socket
for value in range(8):
    results = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, 36, value << 8)
        try:
            s.connect(('${SERVER[4]}', ${DRIVER_PORTS.reset}))
            s.send(b'x')
            s.settimeout(30)
            s.recv(1)
            results.append(0)
        except OSError as error:
            results.append(error.errno)
    print(tuple(results))
`
