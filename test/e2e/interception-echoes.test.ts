import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Refusal } from '../../client/interception/interception-api.ts'
import { APP_GID, InterceptionLab } from './support/interception-lab.ts'
import type { LineProcess } from './support/line-process.ts'
import { ADDRESSES, CLIENT_DEVICE, GUEST_DEVICE, whyNoHosts } from './support/two-hosts.ts'

const { client: HERE, server: SERVER, other: OTHER, direct: DIRECT, guest: GUEST } = ADDRESSES
const FAMILIES = [4, 6] as const
const APP = { gid: APP_GID }
/** Addresses that the driver refuses, each in its way. */
const PROHIBITED = OTHER
const UNREACHABLE = { 4: '198.18.2.1', 6: '2001:db8:2::1' } as const
const SILENT = { 4: '198.18.3.1', 6: '2001:db8:3::1' } as const

/** Goes on until two requests are answered or refused, for so many seconds, or waits so long for an answer in vain. */
const ANSWERED = ['-w60']
const IN_VAIN = ['-W1']

/** Of the server too; the driver lets it go out. */
const DIRECTLY = { 4: '198.18.0.66', 6: '2001:db8::66' } as const

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of intercepted pings are skipped: ${impossible}`)

describeHosts('a ping', () => {
  const lab = new InterceptionLab()
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    lab.addGuest()
    for (const [family, bits, ...more] of [
      [4, 24],
      [6, 64, 'nodad'],
    ] as const) {
      await lab.hosts.run('server', 'ip', ['address', 'add', `${DIRECTLY[family]}/${bits}`, 'dev', 'eth0', ...more])
    }
    const echoes: Readonly<Record<string, Refusal | 'direct'>> = Object.fromEntries(
      FAMILIES.flatMap((family): [string, Refusal | 'direct'][] => [
        [PROHIBITED[family], 'reset'],
        [UNREACHABLE[family], 'unreachable'],
        [SILENT[family], 'drop'],
        [DIRECTLY[family], 'direct'],
      ]),
    )
    const { client: started, first } = await lab.intercept({ echoes })
    expect(first).toEqual({ started: true })
    client = started
  })

  afterAll(() => lab.close())

  const ping = (host: string, args: readonly string[] = ANSWERED, from: 'client' | 'guest' = 'client') =>
    lab.hosts.run(from, 'ping', ['-n', '-c2', '-i0.2', ...args, host], APP)
  const asked = (from: number) => client.messages.slice(from).flatMap(({ echo }) => echo ?? [])
  const allow = (range: string) =>
    lab.hosts.run('client', 'sh', ['-c', `echo ${range} > /proc/sys/net/ipv4/ping_group_range`])

  describe.each([
    ['raw sockets', '1 0'],
    ['ping sockets', '0 65535'],
  ])('by %s', (_, range) => {
    beforeAll(() => allow(range))

    test.each(FAMILIES)('over IPv%i is asked about, and answered in the name of its destination', async (family) => {
      const from = client.messages.length
      const host = SERVER[family]
      const sent = await lab.sentByClient(async () => {
        const { stdout, stderr, code } = await ping(host, ['-s1400', ...ANSWERED])
        expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
        expect(stdout).toContain('2 received')
        expect(stdout).toMatch(new RegExp(`1408 bytes from ${host.replaceAll('.', '\\.')}: icmp_seq=2 `))
      })
      expect(sent).toEqual([])
      const about = { source: HERE[family], destination: host, uid: 0 }
      const requests = asked(from)
      expect(requests.length).toBeGreaterThanOrEqual(2)
      expect(requests).toEqual(requests.map((_, i) => ({ ...about, sequence: i + 1 })))
    })

    test.each([
      [4, 'Packet filtered', PROHIBITED],
      [6, 'Administratively prohibited', PROHIBITED],
      [4, 'Destination Host Unreachable', UNREACHABLE],
      [6, 'Address unreachable', UNREACHABLE],
    ] as const)('over IPv%i that is refused says %s', async (family, text, host) => {
      const sent = await lab.sentByClient(async () => {
        const { stdout, code } = await ping(host[family])
        expect(code).not.toBe(0)
        expect(stdout).toContain(text)
      })
      expect(sent).toEqual([])
    })

    test.each(FAMILIES)('over IPv%i that is dropped gets no answer', async (family) => {
      const sent = await lab.sentByClient(async () => {
        expect((await ping(SILENT[family], IN_VAIN)).stdout).toMatch(/ 0 received, 100% packet loss/)
      })
      expect(sent).toEqual([])
    })
  })

  test.each([
    [4, 'Packet filtered'],
    [6, 'Administratively prohibited'],
  ] as const)('over IPv%i that is too large for the queue is refused, and says %s', async (family, text) => {
    const from = client.messages.length
    const sent = await lab.sentByClient(async () => {
      expect((await ping(SERVER[family], ['-s5000', ...ANSWERED])).stdout).toContain(text)
    })
    expect(sent).toEqual([])
    expect(asked(from)).toEqual([])
  })

  test.each(FAMILIES)(
    'over IPv%i from a socket that is bound to the device is answered, and does not leave',
    async (family) => {
      const sent = await lab.sentByClient(async () => {
        expect((await ping(SERVER[family], ['-I', CLIENT_DEVICE, ...ANSWERED])).stdout).toContain('2 received')
      })
      expect(sent).toEqual([])
    },
  )

  test.each(FAMILIES)('of a guest over IPv%i is asked about as theirs, answered and refused', async (family) => {
    const from = client.messages.length
    const wire = '(net 198.18.8.0/24 or net 2001:db8:8::/64) and not arp'
    const sent = await lab.onTheWire(wire, async () => {
      expect((await ping(SERVER[family], ANSWERED, 'guest')).stdout).toContain('2 received')
      const { stdout } = await ping(PROHIBITED[family], ANSWERED, 'guest')
      expect(stdout).toContain(family === 4 ? 'Packet filtered' : 'Administratively prohibited')
    })
    expect(sent).toEqual([])
    expect(asked(from)[0]).toEqual({
      source: GUEST[family],
      destination: SERVER[family],
      guest: GUEST_DEVICE,
      sequence: 1,
    })
  })

  test.each(FAMILIES)('over IPv%i to a direct network goes there, and is not asked about', async (family) => {
    const from = client.messages.length
    expect((await ping(DIRECT[family])).stdout).toContain('2 received')
    expect(asked(from)).toEqual([])
  })

  test.each(FAMILIES)('over IPv%i that is judged direct goes out as it is', async (family) => {
    expect((await ping(DIRECTLY[family])).stdout).toContain('2 received')
  })

  test('to a whole network does not leave', async () => {
    const sent = await lab.sentByClient(async () => {
      await ping('198.18.0.255', ['-b', ...IN_VAIN])
      await ping(`ff02::1%${CLIENT_DEVICE}`, IN_VAIN)
    })
    expect(sent).toEqual([])
  })
})
