import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from './support/driver-ports.ts'
import { InterceptionLab, REDIRECT_PORT } from './support/interception-lab.ts'
import type { LineProcess } from './support/line-process.ts'
import { ADDRESSES, GUEST_DEVICE, whyNoHosts } from './support/two-hosts.ts'

const { client: HERE, server: SERVER, other: OTHER, direct: DIRECT, guest: GUEST, gateway: GATEWAY } = ADDRESSES
const FAMILIES = [4, 6] as const
const { answer: ANSWER, relay: RELAY, reset: RESET } = DRIVER_PORTS
const PORT_OF_GUEST = 9400
/** What should pass is waited for with patience, also on a busy computer, and what should not so long. */
const IN_VAIN = { timeoutMs: 1_300 }
/** Of one datagram. */
const ANSWERED = { answers: 1 }
/** Asks again until there is an answer, for so many seconds. */
const PING = ['-c1', '-w30']
const PING_IN_VAIN = ['-c1', '-W1']
const PAUSE_SECONDS = 10
const WIRE = `net 198.18.8.0/24 or net 2001:db8:8::/64 or net 192.0.0.0/24 or net 100::/64`

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of guests are skipped: ${impossible}`)

describeHosts('traffic of guests behind this computer', () => {
  const lab = new InterceptionLab()
  let guest: LineProcess
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    guest = lab.addGuest()
    for (const family of FAMILIES) {
      await lab.command(guest, { op: 'listen', host: GUEST[family], port: PORT_OF_GUEST })
    }
  })
  afterEach(() => lab.cleanUp())
  afterAll(() => lab.close())

  async function intercept(options: Parameters<InterceptionLab['intercept']>[0] = {}): Promise<void> {
    const started = await lab.intercept(options)
    expect(started.first).toEqual({ started: true })
    client = started.client
  }

  const at = (host: string, port: number) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  const tcp = (host: string, port: number, options: object = {}) =>
    lab.command(guest, { op: 'tcp', host, port, ...options })
  const talk = async (host: string, port: number, options: object = {}) => {
    const to = [{ host, port, text: 'hello' }]
    const { result, text } = await lab.command(guest, { op: 'talk', to, ...options })
    return { result, heard: JSON.parse(String(text)) as { from: string; port: number; text: string }[] }
  }
  /** What of guests passes the cable outside. */
  const leaked = (during: () => Promise<unknown>) => lab.onTheWire(`(${WIRE}) and not arp`, during)

  test.each(FAMILIES)('would be forwarded by IPv%i without interception', async (family) => {
    expect(await tcp(SERVER[family], RELAY, { text: 'x' })).toMatchObject({ text: 'hello x' })
    expect((await talk(SERVER[family], RELAY, ANSWERED)).heard).toMatchObject([{ from: SERVER[family] }])
    expect((await lab.hosts.run('guest', 'ping', [...PING, SERVER[family]])).code).toBe(0)
  })

  test.each(FAMILIES)('is judged and tunnelled over IPv%i, and known as theirs', async (family) => {
    await intercept()
    const host = SERVER[family]
    const about = { destination: at(host, ANSWER), guest: GUEST_DEVICE }
    const sent = await leaked(async () => {
      const { result, text } = await tcp(host, ANSWER, { localPort: 40_700 })
      expect(result).toBe('ok')
      expect(JSON.parse(String(text))).toEqual({ source: at(GUEST[family], 40_700), ...about })
      const { heard } = await talk(host, ANSWER, { localPort: 40_701, ...ANSWERED })
      expect(heard).toMatchObject([{ from: host, port: ANSWER }])
      expect(JSON.parse(heard[0]?.text ?? '')).toMatchObject({ to: at(host, ANSWER), text: 'hello' })
    })
    expect(sent).toEqual([])
    const datagrams = client.messages.flatMap((message) => message.datagrams ?? [])
    expect(datagrams).toEqual([{ source: at(GUEST[family], 40_701), ...about }])
  })

  test.each(FAMILIES)('carries bytes both ways over IPv%i, and only first packets are asked about', async (family) => {
    await intercept()
    const before = await lab.queued()
    const text = 'x'.repeat(300_000)
    expect((await tcp(SERVER[family], RELAY, { text })).text).toBe(`hello ${text}`)
    const peer = { host: SERVER[family], port: ANSWER }
    const to = Array.from({ length: 100 }, (_, i) => ({ ...peer, afterAnswers: i === 0 ? 0 : 1 }))
    const { text: heard } = await lab.command(guest, { op: 'talk', to, answers: 51 })
    expect(JSON.parse(String(heard)).length).toBeGreaterThan(50)
    expect(await lab.queued()).toBe(before + 2)
  })

  test.each(FAMILIES)('of one port to two places over IPv%i is not mixed up', async (family) => {
    await intercept()
    const to = [SERVER, OTHER].map((host) => ({ host: host[family], port: ANSWER, text: host[family] }))
    const { text } = await lab.command(guest, { op: 'talk', to: [...to, ...to], localPort: 40_710, answers: 4 })
    const heard = JSON.parse(String(text)) as { from: string; text: string }[]
    expect(heard).toHaveLength(4)
    for (const { from, text: about } of heard) expect(JSON.parse(about)).toMatchObject({ text: from })
  })

  test.each(FAMILIES)('from somebody whom a guest has not addressed reaches it by IPv%i', async (family) => {
    await intercept()
    const { heard } = await talk(SERVER[family], DRIVER_PORTS.stranger, { answers: 2 })
    const ports = heard.map(({ port }) => port).toSorted()
    expect(ports).toEqual([DRIVER_PORTS.stranger, DRIVER_PORTS.stranger + 1])
  })

  test.each([
    [4, 'reset', 'ECONNREFUSED', 'EHOSTUNREACH'],
    [6, 'reset', 'ECONNREFUSED', 'EACCES'],
    [4, 'unreachable', 'EHOSTUNREACH', 'ok'],
    [6, 'unreachable', 'EHOSTUNREACH', 'ok'],
    [4, 'drop', 'timeout', 'ok'],
    [6, 'drop', 'timeout', 'ok'],
  ] as const)('over IPv%i that is refused by %s ends with %s and %s', async (family, how, stream, datagram) => {
    await intercept()
    const sent = await leaked(async () => {
      const patience = stream === 'timeout' ? IN_VAIN : {}
      expect(await tcp(SERVER[family], DRIVER_PORTS[how], patience)).toMatchObject({ result: stream })
      const answers = datagram === 'ok' ? 0 : 1
      const outcome = await talk(SERVER[family], DRIVER_PORTS[how], { connected: true, answers })
      expect(outcome).toEqual({ result: datagram, heard: [] })
    })
    expect(sent).toEqual([])
  })

  test('that is judged direct goes out as it is, both ways', async () => {
    await intercept({ verdict: 'direct' })
    for (const family of FAMILIES) {
      expect(await tcp(SERVER[family], RESET, { text: 'x' })).toMatchObject({ text: 'hello x' })
      expect((await talk(SERVER[family], RESET, ANSWERED)).heard).toMatchObject([{ text: 'hello' }])
    }
  })

  test('to a direct network goes there, but not back in by itself', async () => {
    await intercept()
    for (const family of FAMILIES) {
      const before = await lab.queued()
      expect(await tcp(DIRECT[family], RESET, { text: 'x' })).toMatchObject({ text: 'hello x' })
      expect(await lab.queued()).toBe(before)
      await lab.command(guest, { op: 'listen', host: GUEST[family], port: 9100 })
      const call = { op: 'tcp', host: GUEST[family], port: 9100, localAddress: DIRECT[family], timeoutMs: 500 }
      expect(await lab.command(lab.server, call)).toMatchObject({ result: 'timeout' })
    }
  })

  /** What a guest gets, and who calls it from outside: all as if there were no client. */
  async function expectOpen(): Promise<void> {
    for (const family of FAMILIES) {
      expect(await tcp(SERVER[family], RESET, { text: 'x' })).toMatchObject({ text: 'hello x' })
      const to = { host: SERVER[family], port: RESET, text: 'hello' }
      expect(await lab.command(guest, { op: 'udp', ...to })).toMatchObject({ text: 'hello' })
      expect((await lab.hosts.run('guest', 'ping', [...PING, SERVER[family]])).code).toBe(0)
      const call = { op: 'tcp', host: GUEST[family], port: PORT_OF_GUEST, text: 'x' }
      expect(await lab.command(lab.server, call)).toMatchObject({ text: 'hello x' })
    }
  }

  /** Connections of guests to outside, and from outside to them. */
  function holdAll(): Promise<object[]> {
    const hold = { op: 'hold' }
    return Promise.all(
      FAMILIES.flatMap((family) => [
        lab.command(guest, { ...hold, host: SERVER[family], port: RESET }),
        lab.command(lab.server, { ...hold, host: GUEST[family], port: PORT_OF_GUEST }),
      ]),
    )
  }

  /** New ones do not come about, and of those that are held, as all that guests send, no packet leaves. */
  async function expectClosed(held: readonly { readonly id?: unknown }[]): Promise<void> {
    const left = await lab.onTheWire('(src net 198.18.8.0/24 or src net 2001:db8:8::/64) and not arp', async () => {
      for (const [i, { id }] of held.entries()) {
        const who = i % 2 === 0 ? guest : lab.server
        expect(await lab.command(who, { op: 'write', of: id, timeoutMs: 500 })).not.toMatchObject({ result: 'ok' })
        await lab.command(who, { op: 'reset', of: id })
      }
      for (const family of FAMILIES) {
        await tcp(SERVER[family], RESET, { timeoutMs: 500 })
        await talk(SERVER[family], RESET)
        await lab.hosts.run('guest', 'ping', [...PING_IN_VAIN, SERVER[family]])
      }
    })
    expect(left).toEqual([])
  }

  async function open(seconds: number, portal?: readonly string[]): Promise<number> {
    const from = client.messages.length
    client.send({ open: seconds, portal })
    return Number((await client.next((message) => 'opened' in message, from)).opened)
  }

  test('goes out and comes in as it is during a pause, and no packet more after it', async () => {
    await intercept()
    await open(600)
    await expectOpen()
    const held = await holdAll()
    expect(held).toMatchObject(held.map(() => ({ result: 'ok' })))
    await open(0)
    await expectClosed(held)
  })

  test('is closed at the end of a pause also when nobody is there to close it: the kernel does', async () => {
    await intercept()
    const opened = await open(PAUSE_SECONDS)
    const held = await holdAll()
    await client.kill()
    expect(held).toMatchObject(held.map(() => ({ result: 'ok' })))
    while (Date.now() < opened + 1_000) await talk(SERVER[4], RESET)
    await expectClosed(held)
  })

  test('has in a pause the address of this computer where its firewall says so, and what that drops is dropped', async () => {
    await intercept()
    const commands = FAMILIES.flatMap((family) => {
      const program = family === 4 ? 'iptables' : 'ip6tables'
      return [
        [program, '-t nat -? POSTROUTING -o eth0 -j MASQUERADE'],
        [program, `-? FORWARD -p tcp -d ${OTHER[family]} -j REJECT --reject-with tcp-reset`],
      ] as const
    })
    const all = async (how: '-A' | '-D') => {
      for (const [program, line] of commands) await lab.hosts.run('client', program, line.replace('-?', how).split(' '))
    }
    await all('-A')
    await open(600)
    for (const family of FAMILIES) {
      expect(await tcp(SERVER[family], RESET, { text: 'x' })).toMatchObject({ text: 'hello x' })
      expect((await talk(SERVER[family], RESET, ANSWERED)).heard).toMatchObject([{ text: 'hello' }])
      expect(await tcp(OTHER[family], RESET)).toMatchObject({ result: 'ECONNREFUSED' })
    }
    await all('-D')
  })

  test('reaches a portal that is open, and nothing else', async () => {
    await intercept()
    for (const family of FAMILIES) {
      for (const { [family]: host } of [SERVER, OTHER]) await lab.command(lab.server, { op: 'listen', host, port: 80 })
    }
    await open(600, [OTHER[4], OTHER[6]])
    for (const family of FAMILIES) {
      expect(await tcp(OTHER[family], 80, { text: 'x' })).toMatchObject({ text: 'hello x' })
    }
    const left = await lab.onTheWire('(src net 198.18.8.0/24 or src net 2001:db8:8::/64) and not arp', async () => {
      for (const family of FAMILIES) {
        expect(await tcp(OTHER[family], RESET, IN_VAIN)).not.toMatchObject({ result: 'ok' })
        expect(await tcp(SERVER[family], 80, { text: 'GET' })).toMatchObject({ result: 'ok' })
        await talk(OTHER[family], RESET)
        await lab.hosts.run('guest', 'ping', [...PING_IN_VAIN, OTHER[family]])
      }
      await open(0)
      for (const family of FAMILIES) expect((await tcp(OTHER[family], 80)).text).not.toContain('hello')
    })
    expect(left).toEqual([])
  })

  test('other than TCP and UDP does not pass', async () => {
    await intercept()
    const sent = await leaked(async () => {
      for (const family of FAMILIES) {
        expect((await lab.hosts.run('guest', 'ping', [...PING_IN_VAIN, SERVER[family]])).code).not.toBe(0)
      }
    })
    expect(sent).toEqual([])
  })

  test('does not pass without a client that judges', async () => {
    await intercept()
    await client.kill()
    const sent = await leaked(async () => {
      for (const family of FAMILIES) {
        expect(await tcp(SERVER[family], ANSWER, IN_VAIN)).toMatchObject({ result: 'timeout' })
        expect((await talk(SERVER[family], ANSWER)).heard).toEqual([])
      }
    })
    expect(sent).toEqual([])
  })

  test.each(FAMILIES)(
    'does not get in by IPv%i: to this computer, to the listener, or from outside',
    async (family) => {
      await intercept()
      await lab.command(lab.app, { op: 'listen', host: GATEWAY[family], port: 9200 + family })
      const listener = family === 4 ? '192.0.0.8' : '100::8'
      expect(await tcp(GATEWAY[family], 9200 + family, IN_VAIN)).toMatchObject({ result: 'timeout' })
      expect(await tcp(listener, REDIRECT_PORT, IN_VAIN)).toMatchObject({ result: 'timeout' })
      expect((await talk(listener, REDIRECT_PORT)).heard).toEqual([])
      await lab.command(guest, { op: 'listen', host: GUEST[family], port: 9300 + family })
      const call = { op: 'tcp', host: GUEST[family], port: 9300 + family, timeoutMs: 500 }
      expect(await lab.command(lab.server, call)).toMatchObject({ result: 'timeout' })
    },
  )

  test('that comes from outside gets no answer, also by other protocols and into connections', async () => {
    await intercept()
    const left = await lab.leaving(async () => {
      for (const family of FAMILIES) {
        await lab.hosts.run('server', 'python3', ['-c', SEND_OTHERS, GUEST[family]])
        await lab.command(lab.server, { op: 'tcp', host: GUEST[family], port: PORT_OF_GUEST, timeoutMs: 500 })
      }
    })
    expect(left).toEqual([])
  })

  test.each(FAMILIES)(
    'in the name of somebody else is refused by IPv%i, and the client’s own name opens nothing',
    async (family) => {
      await intercept()
      const from = client.messages.length
      const prefix = family === 4 ? 32 : 128
      for (const name of [HERE[family], OTHER[family]]) {
        await lab.hosts.run('guest', 'ip', [
          'address',
          'add',
          `${name}/${prefix}`,
          'dev',
          'eth0',
          ...(family === 6 ? ['nodad'] : []),
        ])
      }
      const sent = await lab.sentByClient(async () => {
        for (const localAddress of [HERE[family], OTHER[family]]) {
          const call = { localAddress, timeoutMs: 500 }
          expect(await tcp(DIRECT[family], ANSWER, call)).toMatchObject({ result: 'timeout' })
        }
      })
      expect(sent).toEqual([])
      expect(client.messages.length).toBe(from)
      for (const name of [HERE[family], OTHER[family]]) {
        await lab.hosts.run('guest', 'ip', ['address', 'delete', `${name}/${prefix}`, 'dev', 'eth0'])
      }
    },
  )

  test('leaves no trace of interception when it ends', async () => {
    await intercept()
    await lab.end(client)
    const routes = await lab.hosts.run('client', 'sh', [
      '-c',
      'ip route show table local; ip -6 route show table local',
    ])
    expect(routes.stdout).not.toMatch(/192\.0\.0\.8|100::8/)
    for (const family of FAMILIES)
      expect(await tcp(SERVER[family], RELAY, { text: 'x' })).toMatchObject({ text: 'hello x' })
  })
})

/** GRE and SCTP to a host. */
const SEND_OTHERS = `
import socket, sys
v6 = ':' in sys.argv[1]
for protocol in (47, 132):
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, protocol)
    s.sendto(b'\\0' * 40, (sys.argv[1], 0))
`
