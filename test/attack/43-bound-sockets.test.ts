import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../e2e/support/interception-lab.ts'
import type { LineProcess } from '../e2e/support/line-process.ts'
import { ADDRESSES, CLIENT_DEVICE, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { describeHosts } from './support/describe-hosts.ts'

const { server: SERVER } = ADDRESSES
const FAMILIES = [4, 6] as const
/** Second addresses of the client host. */
const SECOND = { 4: '198.18.0.77', 6: '2001:db8::77' } as const
/** Addresses that it does not have. */
const FOREIGN = { 4: '198.18.0.99', 6: '2001:db8::99' } as const

/** What a program does to choose its way out: `name: [options of the socket], address to bind` */
const WAYS = [
  'plain',
  'device',
  'index',
  'dontroute',
  'second',
  'second+device',
  'foreign',
  'foreign+device',
  'mark',
] as const

describeHosts('row 43: a program that chooses its interface or its source address', whyNoHosts(), () => {
  const lab = new InterceptionLab()
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    for (const family of FAMILIES) {
      const more = family === 6 ? ['nodad'] : []
      await lab.hosts.run('client', 'ip', ['address', 'add', `${SECOND[family]}/24`, 'dev', CLIENT_DEVICE, ...more])
    }
    const started = await lab.intercept({ echoes: {} })
    expect(started.first).toEqual({ started: true })
    client = started.client
  })
  afterAll(() => lab.close())

  const use = (family: 4 | 6, way: string, kind: string, port: number, seconds = 0.3) =>
    lab.python(CHOOSE, [SERVER[family], `${port}`, way, kind, SECOND[family], FOREIGN[family], `${seconds}`])

  test.each(FAMILIES.flatMap((family) => WAYS.map((way) => [family, way] as const)))(
    'sends nothing outside over IPv%i (%s), by TCP, UDP, ping or raw',
    async (family, way) => {
      const from = client.messages.length
      const left = await lab.leaving(async () => {
        for (const kind of ['tcp', 'udp', 'ping', 'raw']) await use(family, way, kind, DRIVER_PORTS.answer)
      })
      expect(left).toEqual([])
      expect(client.messages.length).toBeGreaterThan(from)
    },
  )

  test.each(FAMILIES)('is carried over IPv%i with the source that it chose', async (family) => {
    for (const kind of ['tcp', 'udp']) {
      expect(await use(family, 'second', kind, DRIVER_PORTS.answer, 60)).toContain('answered')
    }
    const sources = client.messages.flatMap(({ datagrams, arrived }) => datagrams ?? arrived ?? [])
    expect(JSON.stringify(sources)).toContain(SECOND[family])
  })
})

const CHOOSE = `
import socket, struct, sys
host, port, way, kind, second, foreign = sys.argv[1], int(sys.argv[2]), *sys.argv[3:7]
v6 = ':' in host
AF = socket.AF_INET6 if v6 else socket.AF_INET
ICMP = 58 if v6 else 1
s = {
    'tcp': lambda: socket.socket(AF, socket.SOCK_STREAM),
    'udp': lambda: socket.socket(AF, socket.SOCK_DGRAM),
    'ping': lambda: socket.socket(AF, socket.SOCK_RAW, ICMP),
    'raw': lambda: socket.socket(AF, socket.SOCK_RAW, 17),
}[kind]()
s.settimeout(float(sys.argv[7]))
if 'device' in way: s.setsockopt(socket.SOL_SOCKET, 25, b'${CLIENT_DEVICE}\\0')
if 'index' in way:
    index = struct.pack('!I', socket.if_nametoindex('${CLIENT_DEVICE}'))
    s.setsockopt(41 if v6 else 0, 76 if v6 else 50, index)
if 'dontroute' in way: s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
if 'mark' in way: s.setsockopt(socket.SOL_SOCKET, 36, 0x500)
if 'foreign' in way: s.setsockopt(41 if v6 else 0, 75 if v6 else 19, 1)
source = foreign if 'foreign' in way else second if 'second' in way else None
if source: s.bind((source, 0))
request = struct.pack('!BBHHH', 128 if v6 else 8, 0, 0 if v6 else 0xf7fd, 1, 1)
datagram = struct.pack('!HHHH', 40000, port, 8, 0)
try:
    if kind == 'tcp':
        s.connect((host, port))
        s.shutdown(socket.SHUT_WR)
    elif kind == 'udp': s.sendto(b'x', (host, port))
    else: s.sendto(request if kind == 'ping' else datagram, (host, 0))
    if kind in ('tcp', 'udp') and s.recv(1000): print('answered')
except OSError as error: print(error.errno)
`
