import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { EXIT_TTL_S, MAX_QUERIES, MAX_QUERIES_AT_ONCE } from '../../hub/exit-dns.ts'
import { concatBytes } from '../../shared/base/bytes.ts'
import { parseRange } from '../../shared/base/ip-address.ts'
import type { ExitSink } from '../../shared/circuit/exit-circuit.ts'
import { DnsStreamReader, frameMessage } from '../../shared/dns/dns-stream.ts'
import { freePort } from '../net/free-port.ts'
import { queryOf, readAnswer } from '../support/dns-questions.ts'
import { ExitScene, type TestExitCircuit } from '../support/exit-scene.ts'
import { until } from '../support/until.ts'
import type { Zone } from '../support/zone-answer.ts'
import { ZoneServer } from '../support/zone-server.ts'

const ZONE: Zone = {
  'a.test': [{ type: 'A', data: '9.9.9.9', ttl: 17 }],
  'inside.test': [{ type: 'A', data: '192.168.1.1' }],
  'mapped.test': [{ type: 'AAAA', data: '::ffff:10.0.0.1' }],
  'nowhere.test': [{ type: 'A', data: '0.0.0.0' }],
  'hinted.test': [{ type: 'UNKNOWN_65', data: Buffer.from('0001000004000409090909', 'hex') }],
  'misled.test': [{ type: 'UNKNOWN_65', data: Buffer.from('00010000040008090909090a000001', 'hex') }],
  'extra.test': [{ type: 'A', data: '127.5.5.5' }],
  'long.test': Array.from({ length: 30 }, (_, i) => ({ type: 'TXT', data: [`${i}${'x'.repeat(200)}`] })),
}
const LOOPBACK = Uint8Array.of(127, 0, 0, 1)

let server: ZoneServer
let scene: ExitScene

async function exit(options: ConstructorParameters<typeof ExitScene>[0] = {}): Promise<ExitScene> {
  const made = new ExitScene(options)
  made.nameServers.push({ ip: LOOPBACK, port: await server.startPlain() })
  return made
}

beforeEach(async () => {
  server = new ZoneServer(ZONE)
  scene = await exit()
})

afterEach(() => server.close())

/** A circuit of kind dns, with the answers that it brought. */
function open(of = scene): { circuit: TestExitCircuit; connection: ExitSink; answers: () => Uint8Array[] } {
  const { circuit, connection } = of.open()
  connection.connect({ kind: 'dns' })
  return { circuit, connection, answers: () => new DnsStreamReader().push(concatBytes(...circuit.received)) }
}

/** What one query gets. */
async function ask(query: Uint8Array, of = scene): Promise<ReturnType<typeof readAnswer>> {
  const { connection, answers } = open(of)
  connection.data(frameMessage(query), 1)
  await until(() => answers().length === 1)
  connection.closed(undefined)
  return readAnswer(answers()[0])
}

describe('an exit asked for names', () => {
  test('is open at once, and answers with the id of the query, however it is cut', async () => {
    const { circuit, connection, answers } = open()
    expect(circuit.events).toEqual(['connected 4'])
    const bytes = frameMessage(queryOf('a.test', 'A', { id: 4711 }))
    for (const byte of bytes) connection.data(Uint8Array.of(byte), 1)
    await until(() => answers().length === 1)
    expect(readAnswer(answers()[0])).toMatchObject({ id: 4711, rcode: 'NOERROR', data: ['9.9.9.9'] })
    expect(circuit.released).toBe(bytes.length)
  })

  test('asks a question of its own: nothing of the query but name, type, DO and CD', async () => {
    const options = [{ code: 8, data: Uint8Array.of(0, 1, 24, 0, 192, 0, 2) }]
    await ask(queryOf('a.test', 'A', { id: 9, udpBytes: 4000, dnssecOk: true, flags: 0x0170, options }))
    expect(server.asked).toMatchObject([{ name: 'a.test', type: 'A', options: [] }])
    expect((server.asked[0]?.flags ?? 0) & 0x0070).toBe(0x0010)
  })

  test('gives every record one TTL, in all parts of the answer', async () => {
    expect((await ask(queryOf('a.test'))).ttls).toEqual([EXIT_TTL_S])
    const absent = await ask(queryOf('absent.test'))
    expect(absent).toMatchObject({ rcode: 'NXDOMAIN', others: ['SOA', 'OPT'] })
  })

  test('asks over TCP for what does not fit', async () => {
    expect((await ask(queryOf('long.test', 'TXT'))).data).toHaveLength(30)
  })

  test.each([
    ['an address of a private network', queryOf('inside.test'), 'REFUSED'],
    ['one in IPv6 form', queryOf('mapped.test', 'AAAA'), 'REFUSED'],
    ['the address of a service', queryOf('hinted.test', 'UNKNOWN_65'), 'NOERROR'],
    ['one of a private network', queryOf('misled.test', 'UNKNOWN_65'), 'REFUSED'],
    ['the unspecified address, by which filters answer', queryOf('nowhere.test'), 'NOERROR'],
    ['an address that a test network declares as public', queryOf('extra.test'), 'NOERROR'],
  ])('passes on what may be known: %s', async (_, query, rcode) => {
    expect((await ask(query)).rcode).toBe(rcode)
  })

  test('refuses that address where no network declares it', async () => {
    scene.facts = { ...scene.facts, addressScope: [parseRange('198.18.0.0/15')!] }
    expect((await ask(queryOf('extra.test'))).rcode).toBe('REFUSED')
  })

  test.each([
    ...['ANY', 'AXFR', 'IXFR', 'MAILA', 'MAILB'].map(
      (type) => [type, queryOf('a.test', typeNumber(type)), 'REFUSED'] as const,
    ),
    ['another class', queryOf('version.bind', 'TXT', { class: 'CH' }), 'REFUSED'],
    ['a name of its own network', queryOf('db.internal'), 'REFUSED'],
    ['a name without a domain that is special', queryOf('localhost'), 'REFUSED'],
    ['who has an address of its own network', queryOf('1.0.0.10.in-addr.arpa', 'PTR'), 'REFUSED'],
    ['an update', withByte(queryOf('a.test'), 2, 0x28), 'FORMERR'],
    ['two questions', withByte(queryOf('a.test'), 5, 2), 'FORMERR'],
    ['an answer', withByte(queryOf('a.test'), 2, 0x80), 'FORMERR'],
    ['a message that is cut', queryOf('a.test').subarray(0, 14), 'FORMERR'],
  ])('asks nobody for %s', async (_, query, rcode) => {
    expect((await ask(query)).rcode).toBe(rcode)
    expect(server.asked).toEqual([])
  })

  test('says that it failed when no name server answers', async () => {
    const gone = new ExitScene()
    gone.nameServers.push({ ip: LOOPBACK, port: await freePort('127.0.0.1') })
    expect((await ask(queryOf('a.test'), gone)).rcode).toBe('SERVFAIL')
  })

  test('without name servers does not carry this kind', () => {
    expect(open(new ExitScene()).circuit.refused).toBe('kind-refused')
  })

  test('ends a circuit with bytes that are no query at all', async () => {
    const { circuit, connection } = open()
    connection.data(frameMessage(new Uint8Array(11)), 1)
    expect([circuit.events.at(-1), scene.service.connectionCount]).toEqual(['reset', 0])
  })
})

describe('limits of an exit asked for names:', () => {
  test('a circuit counts as a connection until it ends', async () => {
    const small = await exit({ maxConnections: 1 })
    const first = open(small)
    expect(open(small).circuit.refused).toBe('exit-busy')
    first.connection.closed('circuit-closed')
    first.connection.closed('circuit-closed')
    expect(small.service.connectionCount).toBe(0)
    expect(open(small).circuit.events).toEqual(['connected 4'])
  })

  test('queries of a circuit at once: at the cap, and one past it', async () => {
    server.alter = () => undefined
    const { connection, answers } = open()
    for (let i = 0; i <= MAX_QUERIES_AT_ONCE; i++)
      connection.data(frameMessage(queryOf(`n${i}.test`, 'A', { id: i })), 1)
    await until(() => answers().length === 1)
    expect(readAnswer(answers()[0])).toMatchObject({ id: MAX_QUERIES_AT_ONCE, rcode: 'REFUSED' })
    await until(() => server.asked.length === MAX_QUERIES_AT_ONCE)
    connection.closed('circuit-closed')
  })

  test('queries of all circuits at once', async () => {
    const small = await exit({ maxDnsQueries: 2 })
    server.alter = () => undefined
    const opened = [open(small), open(small), open(small)]
    for (const { connection } of opened) connection.data(frameMessage(queryOf('a.test')), 1)
    await until(() => opened[2]?.answers().length === 1)
    expect(readAnswer(opened[2]?.answers()[0]).rcode).toBe('REFUSED')
    for (const { connection } of opened) connection.closed('circuit-closed')
    server.alter = (answer) => answer
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; i < 20; i++) await turn()
    expect((await ask(queryOf('a.test'), small)).rcode).toBe('NOERROR')
  })

  test('queries of a circuit in all', async () => {
    const { circuit, connection } = open()
    const query = frameMessage(queryOf('localhost'))
    for (let i = 0; i < MAX_QUERIES; i++) connection.data(query, 1)
    expect(circuit.events).toEqual(['connected 4'])
    connection.data(query, 1)
    expect(circuit.events).toEqual(['connected 4', 'reset'])
  })

  test('while answers wait for credit, queries are lost; then they are answered again', async () => {
    const { circuit, connection, answers } = open()
    const write = circuit.write.bind(circuit)
    circuit.write = (bytes) => {
      write(bytes)
      return false
    }
    connection.data(frameMessage(queryOf('localhost', 'A', { id: 1 })), 1)
    connection.data(frameMessage(queryOf('localhost', 'A', { id: 2 })), 1)
    circuit.write = write
    connection.writable()
    connection.data(frameMessage(queryOf('localhost', 'A', { id: 3 })), 1)
    expect(answers().map((answer) => readAnswer(answer).id)).toEqual([1, 3])
  })

  test('a client that ended gets what it asked for, then the end', async () => {
    const { circuit, connection } = open()
    connection.data(frameMessage(queryOf('a.test')), 1)
    connection.finished()
    expect(circuit.events).toEqual(['connected 4'])
    await until(() => circuit.events.length === 2)
    expect([circuit.events, circuit.received.length]).toEqual([['connected 4', 'finish'], 1])
  })

  test('a circuit that ended brings nothing more', async () => {
    const { circuit, connection } = open()
    connection.data(frameMessage(queryOf('a.test')), 1)
    connection.closed('connection-reset')
    await ask(queryOf('a.test'))
    expect(circuit.received).toEqual([])
  })
})

function withByte(query: Uint8Array, at: number, value: number): Uint8Array {
  query[at] = value
  return query
}

/** Types that the other implementation has no name for. */
function typeNumber(type: string): string {
  return { MAILB: 'UNKNOWN_253', MAILA: 'UNKNOWN_254' }[type] ?? type
}
