import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../e2e/support/interception-lab.ts'
import type { LineProcess } from '../e2e/support/line-process.ts'
import { ADDRESSES, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { describeHosts } from './support/describe-hosts.ts'

const { server: SERVER } = ADDRESSES
const FAMILIES = [4, 6] as const
const { answer, drop, relay, reset, slow, undecided, unreachable } = DRIVER_PORTS

describeHosts('row 49: the first packet, with bytes of the program in it', whyNoHosts(), () => {
  const lab = new InterceptionLab()
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    await lab.hosts.run('client', 'sh', ['-c', 'echo 5 > /proc/sys/net/ipv4/tcp_fastopen'])
    const started = await lab.intercept()
    expect(started.first).toEqual({ started: true })
    client = started.client
  })
  afterAll(() => lab.close())

  const fastOpen = (host: string, port: number, seconds = 60) => lab.python(FAST_OPEN, [host, `${port}`, `${seconds}`])

  test.each(
    FAMILIES.flatMap((family) =>
      Object.entries({ undecided, drop, reset, unreachable }).map(([how, port]) => [family, how, port] as const),
    ),
  )('does not leave over IPv%i before or after the verdict: %s', async (family, _, port) => {
    const from = client.messages.length
    const left = await lab.leaving(async () => {
      await fastOpen(SERVER[family], port, 1.2)
      await lab.talk([{ host: SERVER[family], port, text: 'first bytes' }])
    })
    expect(left).toEqual([])
    const asked = client.messages.slice(from).filter(({ flow, datagrams }) => (flow ?? datagrams) !== undefined)
    expect(asked).toHaveLength(2)
  })

  test.each(FAMILIES)('is held over IPv%i until the verdict, and then goes to the client alone', async (family) => {
    const left = await lab.leaving(async () => {
      expect(await fastOpen(SERVER[family], slow)).toContain('destination')
      expect(await fastOpen(SERVER[family], answer)).toContain('destination')
      const { heard } = await lab.talk([{ host: SERVER[family], port: slow, text: 'first bytes' }], {
        answers: 1,
      })
      expect(heard[0]?.text).toContain('first bytes')
    })
    expect(left).toEqual([])
  })

  test('really has bytes in it', async () => {
    const wire = await lab.onTheWire(`tcp dst port ${relay}`, () => fastOpen(ADDRESSES.direct[4], relay))
    expect(wire[0]).toMatch(/Flags \[S\].* length [1-9]/)
  })
})

/** Opens a connection with bytes in the SYN, without asking for leave first (no cookie), and reads what comes. */
const FAST_OPEN = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
s.settimeout(float(sys.argv[3]))
s.setsockopt(socket.IPPROTO_TCP, 34, 1)
try:
    s.sendto(b'first bytes', socket.MSG_FASTOPEN, (sys.argv[1], int(sys.argv[2])))
    print(s.recv(1000).decode())
except OSError as error: print(error)
`
