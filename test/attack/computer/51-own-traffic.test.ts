import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { MARKS } from '../../../client/interception/marks.ts'
import { DRIVER_PORTS } from '../../e2e/support/driver-ports.ts'
import { InterceptionLab, OWN_GID, REDIRECT_PORT } from '../../e2e/support/interception-lab.ts'
import type { LineProcess } from '../../e2e/support/line-process.ts'
import { ADDRESSES, whyNoHosts } from '../../e2e/support/two-hosts.ts'

const { server: SERVER } = ADDRESSES
const FAMILIES = [4, 6] as const
const ROOT = 0
const STRANGER_GID = 1001
/** On one computer an answer takes a few milliseconds. */
const SILENCE_MS = 1_000

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of the exemption of own traffic are skipped: ${impossible}`)

describeHosts("the exemption of the client's own traffic (row 51)", () => {
  const lab = new InterceptionLab()

  beforeAll(() => lab.start())
  afterEach(() => lab.cleanUp())
  afterAll(() => lab.close())

  const ping = (args: readonly string[], seconds = 1) =>
    Promise.all(
      FAMILIES.map((family) =>
        lab.hosts.run('client', args[0] as string, [...args.slice(1), '-c2', '-i0.1', `-W${seconds}`, SERVER[family]]),
      ),
    )

  test('is there at all: the group of the client reaches the server', async () => {
    await lab.intercept()
    const results = await ping(['setpriv', `--regid=${OWN_GID}`, '--clear-groups', 'ping'], 30)
    expect(results.map(({ code }) => code)).toEqual([0, 0])
  })

  test.each([
    ['another program of root', ['ping']],
    ['a program of root that marks its packets as own', ['ping', '-m', `${MARKS.own}`]],
    ['a program of root that marks its packets as exempt', ['ping', '-m', `${MARKS.exempt}`]],
    ['a program that has the group besides its own', ['setpriv', `--groups=${OWN_GID}`, 'ping']],
  ])('is none of %s', async (_who, program) => {
    await lab.intercept()
    expect(await lab.sentByClient(() => ping(program))).toEqual([])
  })

  test.each([
    ['was killed', 40_300, (client: LineProcess) => client.kill().then(() => lab.guardGone())],
    ['left the rules when it ended', 40_310, (client: LineProcess) => lab.end(client, { keep: true })],
  ])(
    'is none of who takes the port of a client that %s: nothing of a program comes there',
    async (_how, firstPort, end) => {
      const { client } = await lab.intercept()
      const ask = (family: 4 | 6, more = {}) =>
        lab.udp(SERVER[family], DRIVER_PORTS.relay, { localPort: firstPort + family, ...more })
      for (const family of FAMILIES) expect(await ask(family)).toMatchObject({ result: 'ok' })
      const held = await lab.command(lab.app, { op: 'hold', host: SERVER[4], port: DRIVER_PORTS.relay })
      await end(client)
      const stranger = lab.probe('client', STRANGER_GID)
      try {
        for (const host of ['127.0.0.1', '::1']) {
          expect(await lab.command(stranger, { op: 'listen', host, port: REDIRECT_PORT })).toMatchObject({
            result: 'ok',
          })
        }
        for (const family of FAMILIES) {
          expect(await ask(family, { timeoutMs: SILENCE_MS })).not.toMatchObject({ result: 'ok' })
        }
        expect(await lab.command(lab.app, { op: 'write', of: held.id, timeoutMs: SILENCE_MS })).not.toMatchObject({
          result: 'ok',
        })
        expect(stranger.messages.filter((message) => 'datagram' in message)).toEqual([])
      } finally {
        await stranger.kill()
      }
    },
  )

  test('is none of who takes a port that the client used', async () => {
    await lab.intercept()
    const own = lab.probe('client', OWN_GID)
    const root = lab.probe('client', ROOT)
    for (const [i, family] of FAMILIES.entries()) {
      const socket = { op: 'udp', host: SERVER[family], port: DRIVER_PORTS.relay, localPort: 40_200 + i }
      expect(await lab.command(own, socket)).toMatchObject({ result: 'ok' })
      const sent = await lab.sentByClient(() => lab.command(root, { ...socket, timeoutMs: SILENCE_MS }))
      expect(sent).toEqual([])
    }
    await own.kill()
    await root.kill()
  })
})
