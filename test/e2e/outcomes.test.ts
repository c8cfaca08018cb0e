import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { serveLeaving } from '../world/destinations.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'

const HUBS = ['berlin', 'london', 'newYork', 'tokyo'] as const
const PROGRAM = fileURLToPath(new URL('support/outcome-program.py', import.meta.url))
const CLOSED_PORT = 81
const SILENT_PORT = 82
const LEAVING_PORT = 83
/** Public, and no exit has a way there. */
const NOWHERE = { ipv4: '198.18.222.2', ipv6: '2001:db8:dddd::2' } as const
const FAMILIES = ['ipv4', 'ipv6'] as const

/** What a plain socket is told of a destination behind three hops, as it would be told directly. */
describeWorld(describe, 'a program learns what became of', () => {
  let spn: SpnWorld

  beforeAll(async () => {
    spn = await SpnWorld.create({ hubs: HUBS, destinations: ['paris'], userCity: 'warsaw' })
    const paris = spn.destination('paris')
    await serveLeaving(paris, LEAVING_PORT)
    for (const iptables of ['iptables', 'ip6tables']) {
      for (const protocol of ['tcp', 'udp']) {
        await paris.mustRun(iptables, ['-A', 'INPUT', '-p', protocol, '--dport', `${SILENT_PORT}`, '-j', 'DROP'])
      }
    }
    await spn.startClient()
  })

  afterAll(async () => {
    await spn?.close()
  })

  const asked = async (protocol: 'tcp' | 'udp', address: string, port: number, ...more: string[]): Promise<string> => {
    const { stdout, stderr } = await spn.user.run('python3', [PROGRAM, protocol, address, `${port}`, ...more])
    return (stdout + stderr).trim()
  }
  const paris = (family: 'ipv4' | 'ipv6'): string => spn.destination('paris')[family]

  describe.each(FAMILIES)('a TCP connection over %s:', (family) => {
    test('refused', async () => {
      expect(await asked('tcp', paris(family), CLOSED_PORT)).toBe('ECONNREFUSED')
    })

    test('unreachable', async () => {
      expect(await asked('tcp', NOWHERE[family], CLOSED_PORT)).toBe('EHOSTUNREACH')
    })

    test('timed out', async () => {
      expect(await asked('tcp', paris(family), SILENT_PORT, 'soon')).toBe('ETIMEDOUT')
    })

    test('reset, behind what it has been told', async () => {
      expect(await asked('tcp', paris(family), LEAVING_PORT)).toBe('ECONNRESET')
    })
  })

  describe.each(FAMILIES)('datagrams over %s:', (family) => {
    test('refused, because the port is closed', async () => {
      expect(await asked('udp', paris(family), CLOSED_PORT)).toBe('ECONNREFUSED')
    })

    test('unreachable, which the system tells those who ask for it', async () => {
      expect(await asked('udp', NOWHERE[family], CLOSED_PORT, 'errors')).toBe('EHOSTUNREACH')
    })

    test('unanswered, which is silence', async () => {
      expect(await asked('udp', paris(family), SILENT_PORT, 'errors', 'soon')).toBe('silence')
    })

    test('refused behind an answer, because the server has left: the reset of UDP', async () => {
      expect(await asked('udp', paris(family), LEAVING_PORT)).toBe('ECONNREFUSED')
    })
  })
})
