import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../e2e/support/interception-lab.ts'
import type { LineProcess } from '../e2e/support/line-process.ts'
import { ADDRESSES, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { describeHosts } from './support/describe-hosts.ts'

const { server: SERVER, other: OTHER } = ADDRESSES
const FAMILIES = [4, 6] as const
const { answer: ANSWER, direct: DIRECT, relay: RELAY, slow: SLOW } = DRIVER_PORTS
/** By then a program has said a second time that it wants to connect. */
const TWICE_MS = 1_500

describeHosts('row 56: flows that look alike', whyNoHosts(), () => {
  const lab = new InterceptionLab()
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    const started = await lab.intercept()
    expect(started.first).toEqual({ started: true })
    client = started.client
  })
  afterAll(() => lab.close())

  const at = (host: string, port: number) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

  test.each(FAMILIES)('of one local port to four places at once are told apart over IPv%i, by TCP', async (family) => {
    const places = [SERVER, OTHER].flatMap((host) => [ANSWER, SLOW].map((port) => [host[family], port] as const))
    const outcomes = await Promise.all(
      places.map(([host, port]) => lab.tcp(host, port, { localPort: 41_000 + family })),
    )
    const understood = outcomes.map(({ text }) => (JSON.parse(text) as { destination: string }).destination)
    expect(understood).toEqual(places.map(([host, port]) => at(host, port)))
  })

  test.each(FAMILIES)(
    'of one local port to eighty places at once are told apart over IPv%i, by UDP',
    async (family) => {
      const hosts = [SERVER, OTHER].map((host) => host[family])
      const peers = hosts.flatMap((host) => Array.from({ length: 40 }, (_, i) => ({ host, port: 9_000 + i })))
      const to = peers.map((peer) => ({ ...peer, text: at(peer.host, peer.port) }))
      const { heard } = await lab.talk([...to, ...to], { localPort: 41_010, answers: 160 })
      expect(heard).toHaveLength(160)
      for (const { from, port, text } of heard) {
        expect(JSON.parse(text)).toMatchObject({ to: at(from, port), text: at(from, port) })
      }
    },
  )

  test.each(FAMILIES)(
    'that were given up while they waited leave nothing to the next of the same port (IPv%i)',
    async (family) => {
      const from = client.messages.length
      const host = SERVER[family]
      expect(await lab.python(GIVE_UP, [host, `${SLOW}`, '41020'])).toBe('given up\n')
      const [same, other] = await Promise.all([
        lab.tcp(host, SLOW, { localPort: 41_020 }),
        lab.tcp(OTHER[family], SLOW, { localPort: 41_020 }),
      ])
      expect(JSON.parse(same.text)).toMatchObject({ destination: at(host, SLOW) })
      expect(JSON.parse(other.text)).toMatchObject({ destination: at(OTHER[family], SLOW) })
      const arrived = client.messages.slice(from).filter((message) => message.arrived !== undefined)
      expect(arrived.filter(({ socket }) => socket === true)).toHaveLength(2)
    },
  )

  test.each(FAMILIES)('that are closed on one side go on over IPv%i on the other', async (family) => {
    const text = 'y'.repeat(500_000)
    // The program ends its side at once; all that it sent comes back after that.
    expect(await lab.tcp(SERVER[family], RELAY, { text })).toMatchObject({ result: 'ok', text: `hello ${text}` })
  })

  test.each(FAMILIES)(
    'that are reset by the program end for the other side, and their port is free (IPv%i)',
    async (family) => {
      const outcome = await lab.python(RESET, [SERVER[family], `${RELAY}`, '41030'])
      expect(outcome).toBe('hello \nhello again\n')
    },
  )

  test.each(FAMILIES)(
    'that begin like a direct one without an answer are judged themselves (IPv%i)',
    async (family) => {
      const firewall = family === 4 ? 'iptables' : 'ip6tables'
      const silence = ['INPUT', '-p', 'tcp', '--dport', `${DIRECT}`, '-j', 'DROP']
      await lab.hosts.run('server', firewall, ['-A', ...silence])
      const from = client.messages.length
      const attempts = async (): Promise<string[]> => {
        const left: string[] = []
        for (let i = 0; i < 2; i++) {
          const options = { localPort: 41_040, timeoutMs: TWICE_MS }
          left.push(...(await lab.leaving(() => lab.tcp(SERVER[family], DIRECT, options))))
        }
        return left
      }
      const left = await attempts()
      await lab.hosts.run('server', firewall, ['-D', ...silence])
      // The first one is repeated without a question. Of the second one the first packet is lost: it belongs to the first.
      expect(left).toHaveLength(3)
      expect(client.messages.slice(from).filter(({ flow }) => flow !== undefined)).toHaveLength(2)
    },
  )
})

/** Begins to connect, and takes it back by a reset before anybody has decided. */
const GIVE_UP = `
import socket, struct, sys, time
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', int(sys.argv[3])))
s.setblocking(False)
s.connect_ex((sys.argv[1], int(sys.argv[2])))
time.sleep(0.2)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
s.close()
print('given up')
`

/** Connects, resets, and connects again from the same port to the same place. */
const RESET = `
import socket, struct, sys
def use(text):
    s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(60)
    s.bind(('', int(sys.argv[3])))
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.sendall(text)
    answer = b''
    while len(answer) < 6 + len(text): answer += s.recv(100)
    print(answer.decode())
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()
use(b'')
use(b'again')
`
