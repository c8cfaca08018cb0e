import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { APP_GID, InterceptionLab, OWN_GID } from './support/interception-lab.ts'
import type { LineProcess } from './support/line-process.ts'
import { ADDRESSES, whyNoHosts } from './support/two-hosts.ts'

const { server: SERVER, other: OTHER, direct: DIRECT } = ADDRESSES
const FAMILIES = [4, 6] as const
const APP = { gid: APP_GID }
const DNS = 53

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of intercepted questions for names are skipped: ${impossible}`)

describeHosts('questions for names', () => {
  const lab = new InterceptionLab()
  let client: LineProcess

  beforeAll(async () => {
    await lab.start()
    // Real ones, so that a question that leaks is answered.
    for (const { 4: v4, 6: v6 } of [SERVER, OTHER, DIRECT]) {
      for (const host of [v4, v6]) await lab.command(lab.server, { op: 'listen', host, port: DNS })
    }
    const { client: started, first } = await lab.intercept({ resolvers: [`${OTHER[4]}/32`, `${OTHER[6]}/128`] })
    expect(first).toEqual({ started: true })
    client = started
  })

  afterAll(() => lab.close())

  const at = (host: string) => (host.includes(':') ? `[${host}]:${DNS}` : `${host}:${DNS}`)
  const asked = (from: number) => client.messages.slice(from).flatMap((message) => message.asked ?? [])

  test.each([
    [4, 'a public resolver', SERVER],
    [6, 'a public resolver', SERVER],
    [4, 'one in a direct network', DIRECT],
    [6, 'one in a direct network', DIRECT],
  ] as const)('by UDP over IPv%i to %s are answered here, in its name', async (family, _, host) => {
    const from = client.messages.length
    const sent = await lab.sentByClient(async () => {
      const peer = { host: host[family], port: DNS }
      const to = [
        { ...peer, text: 'a' },
        { ...peer, text: 'aaaa' },
      ]
      const { heard } = await lab.talk(to, { connected: true, answers: 2 })
      expect(heard.map(({ text }) => JSON.parse(text))).toMatchObject([
        { destination: at(host[family]), transport: 'udp', query: 'a', uid: 0 },
        { destination: at(host[family]), transport: 'udp', query: 'aaaa', uid: 0 },
      ])
    })
    expect(sent).toEqual([])
    expect(asked(from)).toHaveLength(2)
  })

  test('of one socket to two resolvers are answered by the one that was asked', async () => {
    const to = [SERVER[4], DIRECT[4]].map((host) => ({ host, port: DNS, text: host }))
    const { heard } = await lab.talk([...to, ...to], { answers: 4 })
    expect(heard).toHaveLength(4)
    for (const { from, text } of heard) {
      expect(JSON.parse(text)).toMatchObject({ query: from, destination: at(from) })
    }
  })

  test.each([
    [4, 'a public resolver', SERVER],
    [6, 'a public resolver', SERVER],
    [4, 'one in a direct network', DIRECT],
    [6, 'one in a direct network', DIRECT],
  ] as const)('by TCP over IPv%i to %s are answered here', async (family, _, host) => {
    const sent = await lab.sentByClient(async () => {
      const { stdout, stderr } = await lab.hosts.run('client', 'python3', ['-c', BY_TCP, host[family]], APP)
      expect(stderr).toBe('')
      const answers = stdout.trim().split('\n')
      expect(answers).toHaveLength(3)
      expect(answers.slice(0, 2).map((text) => JSON.parse(text))).toMatchObject([
        { destination: at(host[family]), transport: 'tcp', query: 'one' },
        { transport: 'tcp', query: 'two' },
      ])
      expect(answers[2]).toBe('end')
    })
    expect(sent).toEqual([])
  })

  test('that get no answer are silence by UDP, and a reset by TCP', async () => {
    expect(await lab.talk([{ host: SERVER[4], port: DNS, text: 'none' }])).toEqual({ result: 'ok', heard: [] })
    const query = '\u0000\u0004none'
    const outcome = await lab.tcp(SERVER[4], DNS, { text: query })
    expect(outcome).toMatchObject({ result: 'ECONNRESET', text: '' })
  })

  test('to a resolver on this computer stay with it, and what it asks outside is answered here', async () => {
    const from = client.messages.length
    await lab.command(lab.app, { op: 'listen', host: '127.0.0.53', port: DNS })
    expect(await lab.command(lab.app, { op: 'udp', host: '127.0.0.53', port: DNS, text: 'me' })).toMatchObject({
      text: 'me',
    })
    expect(asked(from)).toEqual([])
    const upstream = ['-c', UPSTREAM, SERVER[4]]
    const { stdout } = await lab.hosts.run('client', 'python3', upstream, { gid: 101 })
    expect(JSON.parse(stdout)).toMatchObject({ destination: at(SERVER[4]), query: 'upstream' })
  })

  test.each(FAMILIES)('over IPv%i to resolvers that are configured so go there', async (family) => {
    const from = client.messages.length
    expect(await lab.udp(OTHER[family], DNS)).toMatchObject({ text: 'datagram' })
    expect(await lab.tcp(OTHER[family], DNS, { text: 'x' })).toMatchObject({ text: 'hello x' })
    expect(asked(from)).toEqual([])
  })

  test.each(FAMILIES)('of the client itself go out over IPv%i', async (family) => {
    const own = lab.probe('client', OWN_GID)
    const question = { op: 'udp', host: SERVER[family], port: DNS, text: 'own' }
    expect(await lab.command(own, question)).toMatchObject({ text: 'own' })
  })
})

/** Two questions in one piece and an end; then the answers, each in a line. */
const BY_TCP = `
import socket, struct, sys
s = socket.create_connection((sys.argv[1], 53), 30)
s.sendall(b''.join(struct.pack('!H', len(q)) + q for q in (b'one', b'two')))
s.shutdown(socket.SHUT_WR)
f = s.makefile('rb')
while True:
    head = f.read(2)
    if not head: break
    print(f.read(struct.unpack('!H', head)[0]).decode())
print('end')
`

const UPSTREAM = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(30)
s.sendto(b'upstream', (sys.argv[1], 53))
print(s.recv(1000).decode())
`
