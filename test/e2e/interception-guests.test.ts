import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from './support/driver-ports.ts'
import { InterceptionLab, REDIRECT_PORT } from './support/interception-lab.ts'
import type { LineProcess } from './support/line-process.ts'
import { ADDRESSES, GUEST_DEVICE, whyNoHosts } from './support/two-hosts.ts'

const { client: HERE, server: SERVER, other: OTHER, direct: DIRECT, guest: GUEST, gateway: GATEWAY } = ADDRESSES
const FAMILIES = [4, 6] as const
const { answer: ANSWER, relay: RELAY, reset: RESET } = DRIVER_PORTS
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
    lab.command(guest, { op: 'tcp', host, port, timeoutMs: 1_300, ...options })
  const talk = async (host: string, port: number, options: object = {}) => {
    const to = [{ host, port, text: 'hello' }]
    const { result, text } = await lab.command(guest, { op: 'talk', to, ...options })
    return { result, heard: JSON.parse(String(text)) as { from: string; port: number; text: string }[] }
  }
  /** What of guests passes the cable outside. */
  const leaked = (during: () => Promise<unknown>) => lab.onTheWire(`(${WIRE}) and not arp`, during)

  test.each(FAMILIES)('would be forwarded by IPv%i without interception', async (family) => {
    expect(await tcp(SERVER[family], RELAY, { text: 'x' })).toMatchObject({ text: 'hello x' })
    expect((await talk(SERVER[family], RELAY)).heard).toMatchObject([{ from: SERVER[family] }])
    expect((await lab.hosts.run('guest', 'ping', ['-c1', '-W1', SERVER[family]])).code).toBe(0)
  })

  test.each(FAMILIES)('is judged and tunnelled over IPv%i, and known as theirs', async (family) => {
    await intercept()
    const host = SERVER[family]
    const about = { destination: at(host, ANSWER), guest: GUEST_DEVICE }
    const sent = await leaked(async () => {
      const { result, text } = await tcp(host, ANSWER, { localPort: 40_700 })
      expect(result).toBe('ok')
      expect(JSON.parse(String(text))).toEqual({ source: at(GUEST[family], 40_700), ...about })
      const { heard } = await talk(host, ANSWER, { localPort: 40_701 })
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
    expect((await tcp(SERVER[family], RELAY, { text, timeoutMs: 5_000 })).text).toBe(`hello ${text}`)
    const peer = { host: SERVER[family], port: ANSWER }
    const to = Array.from({ length: 100 }, (_, i) => ({ ...peer, afterMs: i === 1 ? 200 : 0 }))
    const { text: heard } = await lab.command(guest, { op: 'talk', to, timeoutMs: 1_000 })
    expect(JSON.parse(String(heard)).length).toBeGreaterThan(50)
    expect(await lab.queued()).toBe(before + 2)
  })

  test.each(FAMILIES)('of one port to two places over IPv%i is not mixed up', async (family) => {
    await intercept()
    const to = [SERVER, OTHER].map((host) => ({ host: host[family], port: ANSWER, text: host[family] }))
    const { text } = await lab.command(guest, { op: 'talk', to: [...to, ...to], localPort: 40_710 })
    const heard = JSON.parse(String(text)) as { from: string; text: string }[]
    expect(heard).toHaveLength(4)
    for (const { from, text: about } of heard) expect(JSON.parse(about)).toMatchObject({ text: from })
  })

  test.each(FAMILIES)('from somebody whom a guest has not addressed reaches it by IPv%i', async (family) => {
    await intercept()
    const { heard } = await talk(SERVER[family], DRIVER_PORTS.stranger)
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
      expect(await tcp(SERVER[family], DRIVER_PORTS[how])).toMatchObject({ result: stream })
      const outcome = await talk(SERVER[family], DRIVER_PORTS[how], { connected: true })
      expect(outcome).toEqual({ result: datagram, heard: [] })
    })
    expect(sent).toEqual([])
  })

  test('that is judged direct goes out as it is, both ways', async () => {
    await intercept({ verdict: 'direct' })
    for (const family of FAMILIES) {
      expect(await tcp(SERVER[family], RESET, { text: 'x' })).toMatchObject({ text: 'hello x' })
      expect((await talk(SERVER[family], RESET)).heard).toMatchObject([{ text: 'hello' }])
    }
  })

  test('to a direct network goes there, but not back in by itself', async () => {
    await intercept()
    for (const family of FAMILIES) {
      expect(await tcp(DIRECT[family], RESET, { text: 'x' })).toMatchObject({ text: 'hello x' })
      await lab.command(guest, { op: 'listen', host: GUEST[family], port: 9100 })
      const call = { op: 'tcp', host: GUEST[family], port: 9100, localAddress: DIRECT[family], timeoutMs: 500 }
      expect(await lab.command(lab.server, call)).toMatchObject({ result: 'timeout' })
    }
  })

  test('other than TCP and UDP does not pass', async () => {
    await intercept()
    const sent = await leaked(async () => {
      for (const family of FAMILIES) {
        expect((await lab.hosts.run('guest', 'ping', ['-c1', '-W1', SERVER[family]])).code).not.toBe(0)
      }
    })
    expect(sent).toEqual([])
  })

  test('does not pass without a client that judges', async () => {
    await intercept()
    await client.kill()
    const sent = await leaked(async () => {
      for (const family of FAMILIES) {
        expect(await tcp(SERVER[family], ANSWER)).toMatchObject({ result: 'timeout' })
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
      expect(await tcp(GATEWAY[family], 9200 + family)).toMatchObject({ result: 'timeout' })
      expect(await tcp(listener, REDIRECT_PORT)).toMatchObject({ result: 'timeout' })
      expect((await talk(listener, REDIRECT_PORT)).heard).toEqual([])
      await lab.command(guest, { op: 'listen', host: GUEST[family], port: 9300 + family })
      const call = { op: 'tcp', host: GUEST[family], port: 9300 + family, timeoutMs: 500 }
      expect(await lab.command(lab.server, call)).toMatchObject({ result: 'timeout' })
    },
  )

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
