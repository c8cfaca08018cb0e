import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../../e2e/support/interception-lab.ts'
import { ADDRESSES, whyNoHosts } from '../../e2e/support/two-hosts.ts'

const { server: SERVER, direct: DIRECT } = ADDRESSES
const FAMILIES = [4, 6] as const
const LOCAL_PORT = 40_123
const PORT = DRIVER_PORTS.reset

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of connections from before are skipped: ${impossible}`)

describeHosts('what began before the client (row 52)', () => {
  const lab = new InterceptionLab()

  beforeAll(async () => {
    await lab.start()
    // As on every computer with a firewall: connections are tracked before we come.
    for (const program of ['iptables', 'ip6tables']) {
      await lab.hosts.run('client', program, '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT'.split(' '))
    }
  })
  afterEach(() => lab.cleanUp())
  afterAll(() => lab.close())

  const hold = (host: string) => lab.command(lab.app, { op: 'hold', host, port: PORT })
  const endOf = ({ id }: { readonly id?: unknown }) => lab.command(lab.app, { op: 'end', of: id })

  /** Everything that leaves but what goes to the direct network. */
  async function sentElsewhere(during: () => Promise<unknown>): Promise<string[]> {
    const sent = await lab.sentByClient(during)
    return sent.filter((line) => !line.includes(DIRECT[4]) && !line.includes(DIRECT[6]))
  }

  /** Connections to the server that the kernel remembers. */
  async function tracked(protocol: 'udp'): Promise<string[]> {
    const { stdout } = await lab.hosts.run('client', 'cat', ['/proc/net/nf_conntrack'])
    const servers = [`dst=${SERVER[4]} `, 'dst=2001:0db8:0000:0000:0000:0000:0000:0001 ']
    return stdout
      .split('\n')
      .filter((line) => line.includes(` ${protocol} `) && servers.some((one) => line.includes(one)))
  }

  test('TCP ends at once, of both families, and what goes to direct networks or over loopback goes on', async () => {
    const cut = await Promise.all(FAMILIES.map((family) => hold(SERVER[family])))
    const kept = await Promise.all(FAMILIES.map((family) => hold(DIRECT[family])))
    await lab.command(lab.app, { op: 'listen', host: '127.0.0.1', port: PORT })
    kept.push(await hold('127.0.0.1'))
    const ends = Promise.all(cut.map(endOf))
    const sent = await sentElsewhere(async () => {
      await lab.intercept()
      for (const end of await ends) expect(end).toMatchObject({ result: 'ECONNABORTED' })
      await lab.command(lab.server, { op: 'push', text: 'news' })
    })
    expect(sent).toEqual([])
    for (const { id } of kept) {
      expect(await lab.command(lab.app, { op: 'write', of: id, text: 'x' })).toMatchObject({ result: 'ok' })
    }
  })

  test('UDP is forgotten: its next datagram is one that nobody judged', async () => {
    for (const family of FAMILIES) {
      expect(await lab.udp(SERVER[family], PORT, { localPort: LOCAL_PORT })).toMatchObject({ text: 'datagram' })
    }
    expect(await tracked('udp')).toHaveLength(2)
    const sent = await sentElsewhere(async () => {
      await lab.intercept()
      expect(await tracked('udp')).toEqual([])
      for (const family of FAMILIES) await lab.udp(SERVER[family], PORT, { localPort: LOCAL_PORT, timeoutMs: 500 })
    })
    expect(sent.filter((line) => line.includes('UDP'))).toEqual([])
  })

  test('what an earlier run let out directly ends with the next start', async () => {
    const earlier = await lab.intercept({ verdict: 'direct' })
    const cut = await Promise.all(FAMILIES.map((family) => hold(SERVER[family])))
    await earlier.client.kill()
    for (const { id } of cut) {
      expect(await lab.command(lab.app, { op: 'write', of: id, text: 'x' })).toMatchObject({ result: 'ok' })
    }
    // On a kernel that does not close sockets, so that the next packet has to be judged.
    await lab.intercept({ keepsSockets: true })
    const sent = await sentElsewhere(async () => {
      for (const { id } of cut) {
        expect(await lab.command(lab.app, { op: 'write', of: id, text: 'x' })).toMatchObject({ result: 'ECONNRESET' })
      }
    })
    expect(sent).toEqual([])
  })
})
