import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../../e2e/support/interception-lab.ts'
import { ADDRESSES, CLIENT_DEVICE, whyNoHosts } from '../../e2e/support/two-hosts.ts'

const { server: SERVER, other: OTHER } = ADDRESSES
const FAMILIES = [4, 6] as const

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
          await lab.udp(OTHER[family], DRIVER_PORTS.relay)
        }
      })
      expect(sent).toEqual([])
    } finally {
      await ip(commands.map((command) => command.replace(' add ', ' delete ').replace(' nodad', '')))
    }
    await lab.end(client)
  })
})
