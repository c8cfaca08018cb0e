import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { InterceptionLab, OWN_GID } from '../e2e/support/interception-lab.ts'
import type { LineProcess } from '../e2e/support/line-process.ts'
import { ADDRESSES, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { describeHosts } from './support/describe-hosts.ts'

const { client: HERE, server: SERVER, other: OTHER, guest: GUEST } = ADDRESSES
const FAMILIES = [4, 6] as const
const { relay: RELAY, answer: ANSWER } = DRIVER_PORTS

describeHosts('row 44: a guest behind this computer', whyNoHosts(), () => {
  const lab = new InterceptionLab()
  let guest: LineProcess

  beforeAll(async () => {
    await lab.start()
    guest = lab.addGuest()
    await lab.python(SETTLE, [], 'guest')
  })
  afterEach(() => lab.cleanUp())
  afterAll(() => lab.close())

  const intercept = async () => {
    const { client, first } = await lab.intercept({ echoes: {} })
    expect(first).toEqual({ started: true })
    return client
  }
  const send = (
    what: string,
    family: 4 | 6,
    source: string = GUEST[family],
    port: number = ANSWER,
    localPort = 40_900,
  ) => lab.python(SEND, [SERVER[family], what, source, `${port}`, `${localPort}`], 'guest')

  test.each(['running', 'killed'])('gets nothing out by itself while the client is %s', async (state) => {
    const client = await intercept()
    if (state === 'killed') await client.kill()
    const left = await lab.leaving(async () => {
      for (const family of FAMILIES) {
        for (const what of ['tcp', 'udp', 'ping', 'sctp', 'gre', 'echo-reply', 'error']) await send(what, family)
      }
    })
    expect(left).toEqual([])
  })

  test.each(FAMILIES)('does not go on with what it had before, over IPv%i', async (family) => {
    // The kernel follows these flows already, as a computer with guests does.
    const follow = ['-t', 'mangle', '-I', 'FORWARD', '-m', 'conntrack', '--ctstate', 'NEW']
    await lab.hosts.run('client', family === 4 ? 'iptables' : 'ip6tables', follow)
    const stream = await lab.command(guest, { op: 'hold', host: SERVER[family], port: RELAY })
    expect(stream.result).toBe('ok')
    const datagram = { op: 'udp', host: SERVER[family], port: RELAY, localPort: 40_910, text: 'before' }
    expect(await lab.command(guest, datagram)).toMatchObject({ text: 'before' })

    await intercept()
    const left = await lab.leaving(async () => {
      const { result } = await lab.command(guest, { op: 'write', of: stream.id, timeoutMs: 500 })
      expect(['timeout', 'ECONNRESET']).toContain(result)
      for (let i = 0; i < 3; i++) await lab.command(guest, { ...datagram, text: 'after', timeoutMs: 500 })
    })
    expect(left).toEqual([])
  })

  test.each(FAMILIES)('has no part in a connection of the client, in whose name it sends (IPv%i)', async (family) => {
    const client = await intercept()
    const own = lab.probe('client', OWN_GID)
    const datagram = { op: 'udp', host: SERVER[family], port: RELAY, localPort: 40_920, text: 'own' }
    expect(await lab.command(own, datagram)).toMatchObject({ text: 'own' })
    const from = client.messages.length
    const left = await lab.leaving(async () => {
      for (const source of [HERE[family], OTHER[family]]) await send('udp', family, source, RELAY, 40_920)
    })
    expect(left).toEqual([])
    expect(client.messages.slice(from)).toEqual([])
  })
})

/** The first packets of a young network wait for neighbours. */
const SETTLE = `
import socket, time
for host in ('${SERVER[4]}', '${SERVER[6]}'):
    for _ in range(20):
        try:
            socket.create_connection((host, ${RELAY}), 1).close()
            break
        except OSError: time.sleep(0.2)
`

/** One packet, written by the guest itself from its IP header on. */
const SEND = `
import socket, struct, sys
host, what, source, port, local = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
v6 = ':' in host
AF = socket.AF_INET6 if v6 else socket.AF_INET
a, b = socket.inet_pton(AF, source), socket.inet_pton(AF, host)
def checksum(data):
    data += b'\\0' * (len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
def ip(protocol, content):
    if v6: return struct.pack('!IHBB', 6 << 28, len(content), protocol, 64) + a + b + content
    return struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(content), 0, 0, 64, protocol, 0) + a + b + content
def summed(protocol, content, at, pseudo=True):
    head = a + b + struct.pack('!II', len(content), protocol) if pseudo else b''
    return content[:at] + struct.pack('!H', checksum(head + content)) + content[at + 2:]
icmp = 58 if v6 else 1
def message(v4type, v6type, rest):
    return ip(icmp, summed(icmp, struct.pack('!BBH', v6type if v6 else v4type, 0, 0) + rest, 2, v6))
udp = summed(17, struct.pack('!HHHH', local, port, 9, 0) + b'x', 6)
packet = {
    'udp': lambda: ip(17, udp),
    'tcp': lambda: ip(6, summed(6, struct.pack('!HHIIBBHHH', local, port, 1, 0, 0x50, 2, 1000, 0, 0), 16)),
    'ping': lambda: message(8, 128, struct.pack('!HH', 1, 1) + b'tunnel'),
    'echo-reply': lambda: message(0, 129, struct.pack('!HH', 1, 1) + b'tunnel'),
    'error': lambda: message(3, 1, b'\\0' * 4 + ip(17, udp)),
    'sctp': lambda: ip(132, struct.pack('!HHII', local, port, 0, 0) + b'\\1\\0\\0\\4'),
    'gre': lambda: ip(47, b'\\0\\0\\x08\\0' + b'x' * 40),
}[what]()
s = socket.socket(AF, socket.SOCK_RAW, socket.IPPROTO_RAW)
s.sendto(packet, (host, 0))
`
