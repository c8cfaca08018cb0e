import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../e2e/support/interception-lab.ts'
import type { LineProcess } from '../e2e/support/line-process.ts'
import { ADDRESSES, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { describeHosts } from './support/describe-hosts.ts'

const { server: SERVER, direct: DIRECT } = ADDRESSES
const FAMILIES = [4, 6] as const
/** IPIP, DCCP, 6in4, RSVP, GRE, ESP, AH, OSPF, PIM, IPComp, L2TP, SCTP, UDP-Lite, MPLS, and one for experiments. */
const PROTOCOLS = [4, 33, 41, 46, 47, 50, 51, 89, 103, 108, 115, 132, 136, 137, 253]

/** Of a connection that is there before interception begins. */
const OLD_PORT = 41_500

describeHosts('row 45: protocols other than TCP, UDP and ping', whyNoHosts(), () => {
  const lab = new InterceptionLab()
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    for (const family of FAMILIES) {
      const hold = { op: 'hold', host: SERVER[family], port: DRIVER_PORTS.relay, localPort: OLD_PORT }
      expect(await lab.command(lab.app, hold)).toMatchObject({ result: 'ok' })
    }
    const started = await lab.intercept({ echoes: {} })
    expect(started.first).toEqual({ started: true })
    client = started.client
  })
  afterAll(() => lab.close())

  const counted = async (): Promise<number> => {
    const from = client.messages.length
    client.send({ count: true })
    return Number((await client.next(({ others }) => others !== undefined, from)).others)
  }

  test.each(FAMILIES)('do not leave over IPv%i, are refused, and counted', async (family) => {
    const before = await counted()
    const left = await lab.leaving(async () => {
      const refused = await lab.python(RAW, [SERVER[family], ...PROTOCOLS.map(String)])
      // 1: EPERM
      expect(refused).toBe('1\n'.repeat(PROTOCOLS.length))
    })
    expect(left).toEqual([])
    expect((await counted()) - before).toBe(PROTOCOLS.length)
  })

  test.each(FAMILIES)('would be seen here if they left over IPv%i', async (family) => {
    const left = await lab.leaving(() => lab.python(RAW, [DIRECT[family], '47', '132']))
    expect(left).toHaveLength(2)
  })

  test.each(FAMILIES)('in the clothes of ICMP do not leave over IPv%i either', async (family) => {
    const left = await lab.leaving(() => lab.python(ICMP, [SERVER[family]]))
    expect(left).toEqual([])
  })

  test.each(FAMILIES)('as errors about a connection from before do not leave over IPv%i', async (family) => {
    await lab.command(lab.server, { op: 'push', text: 'news' })
    const left = await lab.leaving(() => lab.python(ICMP, [SERVER[family], `${DRIVER_PORTS.relay}`, `${OLD_PORT}`]))
    expect(left).toEqual([])
  })

  test.each(FAMILIES)('inside of pings reach nobody but the client over IPv%i', async (family) => {
    const from = client.messages.length
    const left = await lab.leaving(() => lab.hosts.run('client', 'ping', ['-c3', '-i0.2', '-s1200', SERVER[family]]))
    expect(left).toEqual([])
    expect(client.messages.slice(from).filter(({ echo }) => echo !== undefined)).toHaveLength(3)
  })

  test('in pieces do not leave', async () => {
    const left = await lab.leaving(() => lab.python(FRAGMENTS, [SERVER[4]]))
    expect(left).toEqual([])
  })
})

/** A packet of each protocol. */
const RAW = `
import socket, sys
host = sys.argv[1]
for protocol in map(int, sys.argv[2:]):
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_RAW, protocol)
    try: print(s.sendto(b'\\x00\\x00\\x08\\x00' + b'x' * 60, (host, 0)))
    except OSError as error: print(error.errno)
`

/** All types of ICMP but requests for an echo, and neighbour discovery, with bytes of ours. Also as errors about flows. */
const ICMP = `
import socket, struct, sys, time
host = sys.argv[1]
v6 = ':' in host
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, 58 if v6 else 1)
udp = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((host, 8081))
udp.send(b'a flow')
time.sleep(0.2)
here, port = udp.getsockname()[:2]
peer, protocol = 8081, 17
if len(sys.argv) > 2: peer, port, protocol = int(sys.argv[2]), int(sys.argv[3]), 6
if v6: inner = struct.pack('!IHBB', 6 << 28, 20, protocol, 64) + socket.inet_pton(10, host) + socket.inet_pton(10, here)
else: inner = struct.pack('!BBHHHBBH', 0x45, 0, 40, 0, 0, 64, protocol, 0) + socket.inet_aton(host) + socket.inet_aton(here)
inner += struct.pack('!HHHH', peer, port, 20, 0) + b'x' * 12
skipped = range(128, 154) if v6 else (8,)
for kind in range(256):
    if kind in skipped: continue
    message = struct.pack('!BBHI', kind, 0, 0, 0) + inner
    if not v6:
        total = sum(struct.unpack('!%dH' % (len(message) // 2), message))
        while total >> 16: total = (total & 0xffff) + (total >> 16)
        message = message[:2] + struct.pack('!H', ~total & 0xffff) + message[4:]
    try: s.sendto(message, (host, 0))
    except OSError: pass
`

/** First and last pieces of datagrams, alone. */
const FRAGMENTS = `
import socket, struct, sys
host = socket.inet_aton(sys.argv[1])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for number, (field, protocol) in enumerate(((0x2000, 17), (0x0005, 17), (0x2000, 6), (0x2000, 132), (0x0010, 47))):
    head = struct.pack('!BBHHHBBH', 0x45, 0, 44, number + 1, field, 64, protocol, 0) + socket.inet_aton('${ADDRESSES.client[4]}') + host
    try: s.sendto(head + struct.pack('!HHHH', 40000, 8081, 100, 0) + b'x' * 16, (sys.argv[1], 0))
    except OSError: pass
`
