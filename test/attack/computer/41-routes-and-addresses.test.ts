import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../../e2e/support/interception-lab.ts'
import { ADDRESSES, CLIENT_DEVICE, whyNoHosts } from '../../e2e/support/two-hosts.ts'

const { client: HERE, server: SERVER, other: OTHER, direct: DIRECT } = ADDRESSES
const FAMILIES = [4, 6] as const
/** Of this computer, and led elsewhere by somebody. */
const PORT = 9_999

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of routes and addresses are skipped: ${impossible}`)

/** What a network can tell a computer, each with how it is taken back. */
const TRICKS: readonly { readonly name: string; readonly commands: readonly string[] }[] = [
  {
    name: 'two halves of the internet through a gateway of its own (row 42: DHCP option 121)',
    commands: [
      `route add 0.0.0.0/1 via ${SERVER[4]}`,
      `route add 128.0.0.0/1 via ${SERVER[4]}`,
      `-6 route add 2000::/3 via ${SERVER[6]}`,
    ],
  },
  {
    name: 'the very destination through a gateway (row 42)',
    commands: [`route add ${OTHER[4]}/32 via ${SERVER[4]}`, `-6 route add ${OTHER[6]}/128 via ${SERVER[6]}`],
  },
  {
    name: 'an address inside a public network, which so seems to be local (row 41)',
    commands: [
      `address add 198.18.1.77/24 dev ${CLIENT_DEVICE}`,
      `-6 address add 2001:db8:1::77/64 dev ${CLIENT_DEVICE} nodad`,
    ],
  },
  {
    name: 'the whole internet as its local network (row 41)',
    commands: [`route add 198.18.0.0/15 dev ${CLIENT_DEVICE}`, `-6 route add 2001:db8::/32 dev ${CLIENT_DEVICE}`],
  },
]

describeHosts('a network that hands out', () => {
  const lab = new InterceptionLab()

  beforeAll(() => lab.start())
  afterEach(() => lab.cleanUp())
  afterAll(() => lab.close())

  async function ip(commands: readonly string[]): Promise<void> {
    for (const command of commands) {
      const { code, stderr } = await lab.hosts.run('client', 'ip', command.split(' '))
      expect([command, code, stderr]).toEqual([command, 0, ''])
    }
  }

  test.each(TRICKS)('$name gets no packet, and connections are taken as before', async ({ commands }) => {
    const { client } = await lab.intercept()
    await ip(commands)
    try {
      const sent = await lab.sentByClient(async () => {
        for (const family of FAMILIES) {
          const taken = await lab.tcp(OTHER[family], DRIVER_PORTS.answer)
          expect(JSON.parse(taken.text)).toMatchObject({ destination: expect.stringContaining(`${OTHER[family]}`) })
          expect(await lab.tcp(OTHER[family], DRIVER_PORTS.drop, { timeoutMs: 300 })).toMatchObject({
            result: 'timeout',
          })
          await lab.udp(OTHER[family], DRIVER_PORTS.relay, { timeoutMs: 300 })
        }
      })
      expect(sent).toEqual([])
    } finally {
      await ip(commands.map((command) => command.replace(' add ', ' delete ').replace(' nodad', '')))
    }
    await lab.end(client)
  })
})

describeHosts('a computer whose own port is led elsewhere, by a rule of others (row 41)', () => {
  const lab = new InterceptionLab()

  beforeAll(() => lab.start())
  afterEach(() => lab.cleanUp())
  afterAll(() => lab.close())

  /** Sends to the own port while it leads there, and gives what left. */
  async function sentTo(target: Readonly<Record<4 | 6, string>>): Promise<string[]> {
    const translation = (family: 4 | 6, protocol: string) => {
      const to = family === 4 ? target[4] : `[${target[6]}]`
      const match = ['-d', HERE[family], '-p', protocol, '--dport', `${PORT}`]
      return ['OUTPUT', ...match, '-j', 'DNAT', '--to-destination', `${to}:${DRIVER_PORTS.relay}`]
    }
    const all = FAMILIES.flatMap((family) => ['tcp', 'udp'].map((protocol) => [family, protocol] as const))
    const change = async (how: '-A' | '-D'): Promise<void> => {
      for (const [family, protocol] of all) {
        const program = family === 4 ? 'iptables' : 'ip6tables'
        await lab.hosts.run('client', program, ['-w', '-t', 'nat', how, ...translation(family, protocol)])
      }
    }
    await change('-A')
    const sent = await lab.sentByClient(async () => {
      for (const family of FAMILIES) {
        await lab.tcp(HERE[family], PORT, { timeoutMs: 300 })
        await lab.udp(HERE[family], PORT, { timeoutMs: 300 })
      }
    })
    await change('-D')
    return sent
  }

  test('lets nothing out by it, but to direct networks and in a pause', async () => {
    const { client } = await lab.intercept()
    expect(await sentTo(OTHER)).toEqual([])
    expect(await sentTo(DIRECT)).not.toEqual([])
    client.send({ open: 60 })
    await client.next((message) => message.opened !== undefined)
    expect(await sentTo(OTHER)).not.toEqual([])
    await lab.end(client)
  })
})
