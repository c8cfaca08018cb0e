import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS, LATE_MS } from './support/driver-ports.ts'
import { APP_GID, InterceptionLab, REDIRECT_PORT } from './support/interception-lab.ts'
import type { LineProcess } from './support/line-process.ts'
import { ADDRESSES, CLIENT_DEVICE, whyNoHosts } from './support/two-hosts.ts'

const { client: HERE, server: SERVER, other: OTHER, direct: DIRECT } = ADDRESSES
const FAMILIES = [4, 6] as const
const APP = { gid: APP_GID }
const {
  answer: ANSWER,
  relay: RELAY,
  slow: SLOW,
  stranger: STRANGER,
  once: ONCE,
  late: LATE,
  direct: DIRECT_PORT,
} = DRIVER_PORTS

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of intercepted datagrams are skipped: ${impossible}`)

describeHosts('intercepted datagrams', () => {
  const lab = new InterceptionLab()
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    for (const family of FAMILIES) {
      await lab.command(lab.server, { op: 'listen', host: SERVER[family], port: DIRECT_PORT })
    }
    const { client: started, first } = await lab.intercept()
    expect(first).toEqual({ started: true })
    client = started
  })

  afterAll(() => lab.close())

  const at = (host: string, port: number) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  const asked = (from: number) => client.messages.slice(from).flatMap(({ datagrams }) => datagrams ?? [])
  const parsed = (text: string) => JSON.parse(text) as { socket: number; to: string; text: string }

  test.each(FAMILIES)('reach the client with both ends and the user, and answers come by IPv%i', async (family) => {
    const from = client.messages.length
    const host = SERVER[family]
    const sent = await lab.sentByClient(async () => {
      const { heard } = await lab.talk([{ host, port: ANSWER, text: 'hello' }], { localPort: 40_100, answers: 1 })
      expect(heard).toMatchObject([{ from: host, port: ANSWER }])
      expect(parsed(heard[0]?.text ?? '')).toMatchObject({ to: at(host, ANSWER), text: 'hello' })
    })
    expect(sent).toEqual([])
    expect(asked(from)).toEqual([{ source: at(HERE[family], 40_100), destination: at(host, ANSWER), uid: 0 }])
  })

  test.each(FAMILIES)('of one IPv%i socket to many places have one taker, and are not mixed up', async (family) => {
    const hosts = [SERVER[family], OTHER[family]]
    const peers = hosts.flatMap((host) => [ANSWER, RELAY].map((port) => ({ host, port, text: at(host, port) })))
    const { heard } = await lab.talk([...peers, ...peers], { localPort: 40_200, answers: 8 })
    expect(heard).toHaveLength(8)
    const understood = heard.map(({ from, port, text }) => ({ asked: at(from, port), ...parsed(text) }))
    for (const { asked, to, text } of understood) expect([to, text]).toEqual([asked, asked])
    expect(new Set(understood.map(({ to }) => to)).size).toBe(4)
    expect(new Set(understood.map(({ socket }) => socket)).size).toBe(1)
  })

  test('of two sockets have two takers', async () => {
    const answers = await Promise.all([1, 2].map(() => lab.talk([{ host: SERVER[4], port: ANSWER }], { answers: 1 })))
    const sockets = answers.map(({ heard }) => parsed(heard[0]?.text ?? '{}').socket)
    expect(new Set(sockets).size).toBe(2)
  })

  test.each(FAMILIES)('over IPv%i that are sent before the verdict all share it', async (family) => {
    const from = client.messages.length
    const peers = Array.from({ length: 10 }, (_, i) => ({ host: SERVER[family], port: SLOW, text: `${i}` }))
    const { heard } = await lab.talk(peers, { answers: 10 })
    expect(heard.map(({ text }) => Number(parsed(text).text)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(asked(from)).toHaveLength(1)
  })

  test.each([
    [4, 'reset', 'EHOSTUNREACH'],
    [6, 'reset', 'EACCES'],
    [4, 'drop', 'ok'],
    [6, 'drop', 'ok'],
    [4, 'undecided', 'ok'],
  ] as const)(
    'over IPv%i that are refused by %s: the program gets %s, and nothing leaves',
    async (family, how, result) => {
      const sent = await lab.sentByClient(async () => {
        const options = { connected: true, answers: result === 'ok' ? 0 : 1 }
        const outcome = await lab.talk([{ host: SERVER[family], port: DRIVER_PORTS[how] }], options)
        expect(outcome).toEqual({ result, heard: [] })
      })
      expect(sent).toEqual([])
    },
  )

  test.each(FAMILIES)(
    'over IPv%i that can not be delivered: a program that asks for errors gets this one',
    async (family) => {
      const args = ['-c', ASK_FOR_ERRORS, SERVER[family], `${DRIVER_PORTS.unreachable}`]
      const { stdout, stderr } = await lab.hosts.run('client', 'python3', args, APP)
      expect({ stdout, stderr }).toEqual({ stdout: 'EHOSTUNREACH\n', stderr: '' })
    },
  )

  test.each(FAMILIES)(
    'from somebody whom the program has not addressed arrive by IPv%i, and can be answered',
    async (family) => {
      const from = client.messages.length
      const host = SERVER[family]
      const peers = [
        { host, port: STRANGER, text: 'first' },
        { host, port: STRANGER + 1, text: 'answer', afterAnswers: 2 },
      ]
      const sent = await lab.sentByClient(async () => {
        const { heard } = await lab.talk(peers, { localPort: 40_300, answers: 3 })
        const understood = heard.map(({ from, port, text }) => ({ from, port, text: parsed(text).text }))
        expect(understood.slice(0, 2).sort((a, b) => a.port - b.port)).toEqual([
          { from: host, port: STRANGER, text: 'first' },
          { from: host, port: STRANGER + 1, text: 'first' },
        ])
        expect(understood[2]).toEqual({ from: host, port: STRANGER + 1, text: 'answer' })
      })
      expect(sent).toEqual([])
      expect(asked(from)).toHaveLength(2)
    },
  )

  test('of a socket that was closed are judged again, and have another taker', async () => {
    const from = client.messages.length
    const peer = { host: SERVER[4], port: ONCE }
    const { heard } = await lab.talk(
      [0, 1, 2].map((afterAnswers) => ({ ...peer, afterAnswers, afterMs: 200 })),
      { answers: 3 },
    )
    expect(new Set(heard.map(({ text }) => parsed(text).socket)).size).toBe(heard.length)
    expect(asked(from)).toHaveLength(3)
  })

  test.each(FAMILIES.flatMap((family) => (['tunnelled', 'direct'] as const).map((way) => [way, family] as const)))(
    'of a flow that is known cost no packet in user space, and neither does a connection: %s, IPv%i',
    async (way, family) => {
      const host = SERVER[family]
      const before = await lab.queued()
      const port = way === 'direct' ? DIRECT_PORT : ANSWER
      const peers = Array.from({ length: 200 }, (_, i) => ({ host, port, afterAnswers: i === 0 ? 0 : 1 }))
      const { heard } = await lab.talk(peers, { answers: 101 })
      expect(heard.length).toBeGreaterThan(100)
      // The first one, and none of those behind it.
      expect(await lab.queued()).toBe(before + 1)
      const text = 'x'.repeat(300_000)
      const { text: echoed } = await lab.tcp(host, way === 'direct' ? DIRECT_PORT : RELAY, { text })
      expect(echoed).toBe(`hello ${text}`)
      expect(await lab.queued()).toBe(before + 2)
    },
  )

  test.each(FAMILIES)('by IPv%i from a socket that is bound to the device do not leave', async (family) => {
    const from = client.messages.length
    const sent = await lab.sentByClient(async () => {
      const { stderr } = await lab.hosts.run('client', 'python3', ['-c', BOUND, SERVER[family], `${ANSWER}`], APP)
      expect(stderr).toBe('')
    })
    expect(sent).toEqual([])
    expect(asked(from)).toHaveLength(1)
  })

  test('to whole networks stay on this computer: announcements, discovery of names, broadcasts', async () => {
    const sent = await lab.sentByClient(async () => {
      const { stdout, stderr } = await lab.hosts.run('client', 'python3', ['-c', ANNOUNCE, CLIENT_DEVICE], APP)
      expect({ stdout, stderr }).toEqual({ stdout: '1\n'.repeat(6), stderr: '' })
    })
    expect(sent).toEqual([])
  })

  test('to a direct network go there, and are not asked about', async () => {
    const from = client.messages.length
    expect(await lab.udp(DIRECT[4], DRIVER_PORTS.reset)).toMatchObject({ text: 'datagram' })
    expect(asked(from)).toEqual([])
  })

  test.each(FAMILIES)(
    'over IPv%i that are judged direct go out as they are, and are asked about once',
    async (family) => {
      const from = client.messages.length
      const peer = { host: SERVER[family], port: DIRECT_PORT, text: 'out' }
      const { heard } = await lab.talk([peer, { ...peer, afterAnswers: 1 }], { answers: 2 })
      expect(heard).toEqual([1, 2].map(() => ({ from: SERVER[family], port: DIRECT_PORT, text: 'out' })))
      expect(asked(from)).toHaveLength(1)
    },
  )

  test('to the listener itself are answered by nobody', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      expect((await lab.talk([{ host, port: REDIRECT_PORT }])).heard).toEqual([])
    }
  })

  test.each(FAMILIES)(
    'of a flow that the kernel has forgotten: no answer comes any more, and the next is judged (IPv%i)',
    async (family) => {
      const from = client.messages.length
      for (const name of ['udp_timeout', 'udp_timeout_stream']) {
        await lab.hosts.run('client', 'sh', ['-c', `echo 1 > /proc/sys/net/netfilter/nf_conntrack_${name}`])
      }
      const peer = { host: SERVER[family], port: LATE }
      const { heard } = await lab.talk([peer], { timeoutMs: LATE_MS + 500, localPort: 40_400 })
      expect(heard).toEqual([])
      expect(asked(from)).toHaveLength(1)
      const again = { host: SERVER[family], port: ANSWER }
      const { heard: answers } = await lab.talk([again, { ...again, afterAnswers: 1, afterMs: 2_500 }], {
        localPort: 40_401,
        answers: 2,
      })
      expect(answers).toHaveLength(2)
      expect(asked(from)).toHaveLength(3)
    },
  )
})

describeHosts('datagrams of a flow that began before interception', () => {
  const lab = new InterceptionLab()
  beforeAll(() => lab.start())
  afterAll(() => lab.close())

  test.each(FAMILIES)('do not leave any more, and are judged like first ones (IPv%i)', async (family) => {
    // The kernel has to follow flows already.
    const { client: once } = await lab.intercept()
    await lab.end(once)
    const follow = ['-t', 'raw', '-I', 'OUTPUT', '-m', 'conntrack', '--ctstate', 'NEW']
    await lab.hosts.run('client', family === 4 ? 'iptables' : 'ip6tables', follow)
    const localPort = 40_500 + family
    const own = lab.probe('client', APP_GID)
    const before = { op: 'udp', host: SERVER[family], port: RELAY, localPort, text: 'before' }
    expect(await lab.command(own, before)).toMatchObject({ text: 'before' })

    const { client } = await lab.intercept()
    const peer = { host: SERVER[family], port: RELAY }
    const sent = await lab.sentByClient(async () => {
      const { heard } = await lab.talk([peer, { ...peer, text: 'after', afterAnswers: 1 }], { localPort, answers: 2 })
      expect(heard.map(({ text }) => (JSON.parse(text) as { text: string }).text)).toEqual(['x', 'after'])
    })
    expect(sent).toEqual([])
    await lab.end(client)
  })
})

/** One datagram by the device alone. */
const BOUND = `
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 25, b'${CLIENT_DEVICE}\\0')
s.sendto(b'x', (host, port))
s.settimeout(0.5)
try: print(s.recv(1000))
except TimeoutError: pass
`

/** Linux tells of unreachable hosts only those that want to know (IP_RECVERR, IPV6_RECVERR). */
const ASK_FOR_ERRORS = `
import errno, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
v6 = ':' in host
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(41 if v6 else 0, 25 if v6 else 11, 1)
s.connect((host, port))
s.send(b'x')
s.settimeout(30)
try: print(s.recv(1000))
except OSError as error: print(errno.errorcode[error.errno])
`

/** mDNS and LLMNR of both families, SSDP, and a broadcast; each is refused (1: EPERM). */
const ANNOUNCE = `
import socket, sys
index = socket.if_nametoindex(sys.argv[1])
for host, port in (('224.0.0.251', 5353), ('ff02::fb', 5353), ('224.0.0.252', 5355), ('ff02::1:3', 5355),
                   ('239.255.255.250', 1900), ('198.18.0.255', 137)):
    v6 = ':' in host
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    try: print(s.sendto(b'x', (host, port, 0, index) if v6 else (host, port)))
    except OSError as error: print(error.errno)
`
