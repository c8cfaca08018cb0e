import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { serveAddress } from '../world/destinations.ts'
import type { HostProcess } from '../world/host-process.ts'
import { SpnWorld } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'

const HUBS = ['berlin', 'london', 'newYork', 'tokyo'] as const
const FAMILIES = ['ipv4', 'ipv6'] as const
const PROGRAM = fileURLToPath(new URL('support/listening-program.py', import.meta.url))
const ADDRESS_PORT = 1234
/** The programs of the user, and their ports. */
const PORTS = { friendly: 8000, other: 8001 } as const

type Heard = 'hello' | 'nothing'
/** For what should come, and for what should not. */
const PATIENCE_SECONDS: Readonly<Record<Heard, number>> = { hello: 60, nothing: 3 }

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
  })

  afterAll(async () => {
    await spn?.close()
  })

  /** What somebody in Helsinki hears: the echo, or nothing, for which he waits a while. */
  async function called(wanted: Heard, protocol: 'tcp' | 'udp', address: string, port: number | string) {
    const args = ['-c', CALL, protocol, address, `${port}`, `${PATIENCE_SECONDS[wanted]}`]
    return (await spn.destination('helsinki').mustRun('python3', args)).trim()
  }

  async function change(incoming: string): Promise<void> {
    const changed = spn.client?.nextLine(/new rules are in force/)
    writeFileSync(join(spn.world.folder, 'rules.yaml'), incoming === '' ? '# none\n' : rules(incoming))
    await changed
    // The firewall follows.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }

  /** Calls everywhere, with the patience that goes with what is expected there. */
  async function expectHeard(what: keyof typeof PORTS, wanted: readonly Heard[]): Promise<void> {
    const places = FAMILIES.flatMap((family): ['tcp' | 'udp', string, number | string][] => [
      ['tcp', spn.user[family], PORTS[what]],
      ['udp', spn.user[family], PORTS[what]],
      ['udp', ...(seen.get(`${what} ${family}`) as [string, string])],
    ])
    const heard = await Promise.all(places.map((place, i) => called(wanted[i] as Heard, ...place)))
    expect(heard).toEqual(wanted)
  }

  const NOBODY: readonly Heard[] = Array(6).fill('nothing')
  const EVERYBODY: readonly Heard[] = Array(6).fill('hello')

  test('does not come in by default: connections, datagrams, and datagrams to sockets at an exit', async () => {
    await expectHeard('friendly', NOBODY)
  })

  test('comes in to the app whose rules let it, and to no other', async () => {
    await change('+ *')
    await expectHeard('friendly', EVERYBODY)
    await expectHeard('other', NOBODY)
  })

  test('comes in as far as the rules say', async () => {
    await change(`+ ${spn.destination('helsinki').ipv4} TCP/${PORTS.friendly}`)
    await expectHeard('friendly', ['hello', ...NOBODY.slice(1)])
  })

  test('ends when new rules forbid it, and goes on when they do not', async () => {
    await change('+ * TCP')
    const calls = FAMILIES.map((family) =>
      spn.destination('helsinki').spawn('python3', ['-c', STAY, spn.user[family], `${PORTS.friendly}`]),
    )
    await Promise.all(calls.map((call) => call.line(/^hello$/)))
    await change(`+ ${spn.destination('helsinki').ipv4}`)
    const [four, six] = calls as [HostProcess, HostProcess]
    for (let i = 0; i < 3; i++) await six.nextLine(/^silence$/)
    expect(six.lines.slice(-3)).toEqual(Array(3).fill('silence'))
    await four.nextLine(/^hello$/)
    await Promise.all(calls.map((call) => call.stop()))
  })
})

/** Calls: a connection, or a datagram a second. */
const CALL = `
import socket, sys, time
kind, address, port, patience = sys.argv[1:]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
own = socket.socket(family, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
own.settimeout(float(patience))
give_up_at = time.monotonic() + float(patience)
try:
    own.connect((address, int(port)))
    own.settimeout(1 if kind == 'udp' else float(patience))
    while True:
        try:
            own.send(b'hello')
            print(own.recv(100).decode())
            break
        except TimeoutError:
            if time.monotonic() > give_up_at:
                raise
except OSError:
    print('nothing')
`

/** Says something over one connection again and again. */
const STAY = `
import socket, sys, time
own = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
own.settimeout(1)
while True:
    try:
        own.send(b'hello')
        print(own.recv(100).decode(), flush=True)
    except OSError:
        print('silence', flush=True)
    time.sleep(0.2)
`
