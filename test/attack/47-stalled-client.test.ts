import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { DRIVER_PORTS } from '../e2e/support/driver-ports.ts'
import { InterceptionLab } from '../e2e/support/interception-lab.ts'
import type { LineProcess } from '../e2e/support/line-process.ts'
import { ADDRESSES, whyNoHosts } from '../e2e/support/two-hosts.ts'
import { describeHosts } from './support/describe-hosts.ts'

const { server: SERVER } = ADDRESSES
const FAMILIES = [4, 6] as const
/** More than the queue holds. */
const SOCKETS = 160
const PER_SOCKET = 100

describeHosts('row 47: a client that does not answer its queue', whyNoHosts(), () => {
  const lab = new InterceptionLab()
  let client: LineProcess
  let pid: number

  beforeAll(async () => {
    await lab.start()
    const started = await lab.intercept()
    expect(started.first).toEqual({ started: true })
    client = started.client
    pid = await driverPid()
  })
  afterAll(() => {
    process.kill(pid, 'SIGCONT')
    return lab.close()
  })

  /** Of the program itself, not of what started it. */
  async function driverPid(): Promise<number> {
    const from = client.messages.length
    client.send({ pid: true })
    return Number((await client.next((message) => message.pid !== undefined, from)).pid)
  }

  test('lets nothing pass while it stands still, nor what its queue has no room for', async () => {
    const from = client.messages.length
    let lost = 0
    const left = await lab.leaving(async () => {
      process.kill(pid, 'SIGSTOP')
      for (const family of FAMILIES) {
        expect(await lab.tcp(SERVER[family], DRIVER_PORTS.answer, { timeoutMs: 1_200 })).toMatchObject({
          result: 'timeout',
        })
      }
      const sent = Number(await lab.python(FLOOD, [SERVER[4], `${DRIVER_PORTS.drop}`]))
      expect(sent).toBe(SOCKETS * PER_SOCKET)
      lost = await dropped()
      process.kill(pid, 'SIGCONT')
      await client.next(({ datagrams }) => datagrams !== undefined, from)
      await driverPid()
    })
    expect(left).toEqual([])
    expect(lost).toBeGreaterThan(1_000)
  })

  test.each(FAMILIES)('works again over IPv%i when it goes on', async (family) => {
    expect(await lab.tcp(SERVER[family], DRIVER_PORTS.answer)).toMatchObject({ result: 'ok' })
    expect((await lab.talk([{ host: SERVER[family], port: DRIVER_PORTS.answer }], { answers: 1 })).heard).toHaveLength(
      1,
    )
  })

  /** Packets that found the queue full. */
  async function dropped(): Promise<number> {
    const { stdout } = await lab.hosts.run('client', 'cat', ['/proc/net/netfilter/nfnetlink_queue'])
    const [, , , , , queueDropped = 0, userDropped = 0] = stdout.trim().split(/\s+/).map(Number)
    return queueDropped + userDropped
  }
})

/** Many datagrams, each a flow of its own; no socket may have more of them in the queue than its buffer holds. */
const FLOOD = `
import socket, sys
sent = 0
for _ in range(${SOCKETS}):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 32, 1 << 22)
    for i in range(${PER_SOCKET}):
        s.sendto(b'x', ('198.18.%d.%d' % (100 + i // 50, 1 + i % 50), int(sys.argv[2])))
        sent += 1
print(sent)
`
