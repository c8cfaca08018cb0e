import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { serveAddress } from '../world/destinations.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'

const HUBS = ['berlin', 'london', 'newYork', 'tokyo'] as const
const FAMILIES = ['ipv4', 'ipv6'] as const
const PROGRAM = fileURLToPath(new URL('support/listening-program.py', import.meta.url))
const ADDRESS_PORT = 1234
/** The programs of the user, and their ports. */
const PORTS = { friendly: 8000, other: 8001 } as const

describeWorld(describe, 'what others begin', () => {
  let spn: SpnWorld
  /** Where the programs' UDP sockets are seen, by program and family. */
  const seen = new Map<string, readonly [address: string, port: string]>()

  const script = (name: string): string => join(spn.world.folder, `${name}.py`)
  const rules = (incoming: string): string =>
    `apps:\n  - script: ${script('friendly')}\n    incoming: |\n      ${incoming}\n`

  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{ hubs: HUBS, destinations: ['paris', 'helsinki'], userCity: 'warsaw' },
      rules: () => '',
    })
    await serveAddress(spn.destination('paris'), ADDRESS_PORT)
    await spn.startClient()
    for (const name of ['friendly', 'other'] as const) copyFileSync(PROGRAM, script(name))
    for (const [name, port] of Object.entries(PORTS)) {
      for (const [i, family] of FAMILIES.entries()) {
        const place = [`${port + 10 * (i + 1)}`, spn.destination('paris')[family], `${ADDRESS_PORT}`]
        const asking = spn.user.spawn('python3', [script(name), ...place])
        const [, address = '', at = ''] = await asking.line(/^seen at (\S+) (\d+)$/)
        seen.set(`${name} ${family}`, [address, at])
        await asking.line(/^ready$/)
      }
      await spn.user.spawn('python3', [script(name), `${port}`]).line(/^ready$/)
    }
  }, 120_000)

  afterAll(async () => {
    await spn?.close()
  })

  /** What somebody in Helsinki hears: the echo, or nothing. */
  async function called(protocol: 'tcp' | 'udp', address: string, port: number | string): Promise<string> {
    const args = ['-c', CALL, protocol, address, `${port}`]
    return (await spn.destination('helsinki').mustRun('python3', args)).trim()
  }

  async function change(incoming: string): Promise<void> {
    const changed = spn.client?.nextLine(/new rules are in force/)
    writeFileSync(join(spn.world.folder, 'rules.yaml'), incoming === '' ? '# none\n' : rules(incoming))
    await changed
    // The firewall follows.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }

  const all = (what: 'friendly' | 'other') =>
    Promise.all(
      FAMILIES.flatMap((family) => [
        called('tcp', spn.user[family], PORTS[what]),
        called('udp', spn.user[family], PORTS[what]),
        called('udp', ...(seen.get(`${what} ${family}`) as [string, string])),
      ]),
    )

  const NOBODY = Array(6).fill('nothing')
  const EVERYBODY = Array(6).fill('hello')

  test('does not come in by default: connections, datagrams, and datagrams to sockets at an exit', async () => {
    expect(await all('friendly')).toEqual(NOBODY)
  }, 60_000)

  test('comes in to the app whose rules let it, and to no other', async () => {
    await change('+ *')
    expect(await all('friendly')).toEqual(EVERYBODY)
    expect(await all('other')).toEqual(NOBODY)
  }, 60_000)

  test('comes in as far as the rules say', async () => {
    await change(`+ ${spn.destination('helsinki').ipv4} TCP/${PORTS.friendly}`)
    expect(await all('friendly')).toEqual(['hello', ...Array(5).fill('nothing')])
  }, 60_000)

  test('ends when new rules forbid it, and goes on when they do not', async () => {
    await change('+ * TCP')
    const calls = FAMILIES.map((family) =>
      spn.destination('helsinki').spawn('python3', ['-c', STAY, spn.user[family], `${PORTS.friendly}`]),
    )
    await Promise.all(calls.map((call) => call.line(/^hello$/)))
    await change(`+ ${spn.destination('helsinki').ipv4}`)
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    const [four = [], six = []] = calls.map(({ lines }) => lines)
    expect(four.at(-1)).toBe('hello')
    expect(six.at(-1)).toBe('silence')
    await Promise.all(calls.map((call) => call.stop()))
  }, 60_000)
})

/** Calls once: a connection, or a datagram. */
const CALL = `
import socket, sys
kind, address, port = sys.argv[1:]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
own = socket.socket(family, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
own.settimeout(3)
try:
    own.connect((address, int(port)))
    own.send(b'hello')
    print(own.recv(100).decode())
except OSError:
    print('nothing')
`

/** Says something over one connection again and again. */
const STAY = `
import socket, sys, time
own = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
own.settimeout(1)
while True:
    try:
        own.send(b'hello')
        print(own.recv(100).decode(), flush=True)
    except OSError:
        print('silence', flush=True)
    time.sleep(0.2)
`
