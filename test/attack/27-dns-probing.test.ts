import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { concatBytes } from '../../shared/base/bytes.ts'
import type { ExitSink } from '../../shared/circuit/exit-circuit.ts'
import { readMessage } from '../../shared/dns/dns-message.ts'
import { DnsStreamReader, frameMessage } from '../../shared/dns/dns-stream.ts'
import { queryOf, readAnswer } from '../support/dns-questions.ts'
import { ExitScene, peerOf, type TestExitCircuit } from '../support/exit-scene.ts'
import { until } from '../support/until.ts'
import { answerFromZone } from '../support/zone-answer.ts'
import { ZoneServer } from '../support/zone-server.ts'

/*
 * Somebody asks an exit for names in order to find out which names other users of it asked for: by the time that answers
 * take, by TTLs that have run for a while, by answers that come together with those of others.
 */

let server: ZoneServer
let exit: ExitScene

beforeEach(async () => {
  server = new ZoneServer({ 'secret.test': [{ type: 'A', data: '9.9.9.9', ttl: 3600 }] })
  exit = new ExitScene()
  exit.nameServers.push({ ip: Uint8Array.of(127, 0, 0, 1), port: await server.startPlain() })
})

afterEach(() => server.close())

interface Circuit {
  readonly circuit: TestExitCircuit
  readonly connection: ExitSink
  ask(name: string, id?: number): void
  answers(): Uint8Array[]
}

function open(neighbour: number): Circuit {
  const { circuit, connection } = exit.open(peerOf(neighbour))
  connection.connect({ kind: 'dns' })
  return {
    ...{ circuit, connection },
    ask: (name, id = 1) => connection.data(frameMessage(queryOf(name, 'A', { id })), 1),
    answers: () => new DnsStreamReader().push(concatBytes(...circuit.received)),
  }
}

describe('who asks what another circuit asked', () => {
  test('waits for name servers like the first: nothing is kept of an answer', async () => {
    const [victim, prober] = [open(1), open(2)]
    victim.ask('secret.test')
    await until(() => victim.answers().length === 1)
    expect(server.asked).toHaveLength(1)
    prober.ask('secret.test')
    await until(() => prober.answers().length === 1)
    expect(server.asked).toHaveLength(2)
    victim.ask('secret.test', 2)
    await until(() => victim.answers().length === 2)
    expect(server.asked).toHaveLength(3)
  })

  test('waits for an answer of his own, while the other still waits', async () => {
    server.alter = () => undefined
    const [victim, prober] = [open(1), open(2)]
    victim.ask('secret.test')
    await until(() => server.asked.length === 1)
    server.alter = (answer) => answer
    prober.ask('secret.test')
    await until(() => prober.answers().length === 1)
    expect(victim.answers()).toHaveLength(0)
    victim.connection.closed('circuit-closed')
  })

  test('waits no less for a name that failed or does not exist', async () => {
    const [victim, prober] = [open(1), open(2)]
    victim.ask('absent.test')
    await until(() => victim.answers().length === 1)
    prober.ask('absent.test')
    await until(() => prober.answers().length === 1)
    expect(server.asked).toHaveLength(2)
  })

  test.each([0, 1, 59, 60, 300, 3599, 86_400])(
    'gets the same bytes, had the name server kept it for a while: %i s',
    async (left) => {
      const bytesFor = async (ttl: number, neighbour: number): Promise<Uint8Array> => {
        const zone = { 'secret.test': [{ type: 'A', data: '9.9.9.9', ttl }] }
        server.alter = (_, query) => answerFromZone(query, zone, 'udp')
        const circuit = open(neighbour)
        circuit.ask('secret.test')
        await until(() => circuit.answers().length === 1)
        return circuit.answers()[0] as Uint8Array
      }
      expect(await bytesFor(left, 2)).toEqual(await bytesFor(86_400, 1))
    },
  )

  test('sees no TTL of the zone either, by which an absence was kept', async () => {
    const prober = open(2)
    prober.ask('absent.test')
    await until(() => prober.answers().length === 1)
    const answer = prober.answers()[0] as Uint8Array
    expect(readAnswer(answer).rcode).toBe('NXDOMAIN')
    expect(
      readMessage(answer)
        ?.records.filter(({ type }) => type !== 41)
        .map(({ ttl }) => ttl),
    ).toEqual([300])
  })

  test('gets none of the answers of another circuit, also with its ids', async () => {
    const [victim, prober] = [open(1), open(2)]
    victim.ask('secret.test', 7)
    prober.ask('absent.test', 7)
    await until(() => victim.answers().length + prober.answers().length === 2)
    expect(victim.answers().map((answer) => readAnswer(answer).data)).toEqual([['9.9.9.9']])
    expect(prober.answers().map((answer) => readAnswer(answer).rcode)).toEqual(['NXDOMAIN'])
  })
})

describe('who wants to know the network of an exit', () => {
  test.each([
    'localhost',
    'db.internal',
    'nas.local',
    'metadata.google.internal',
    'router.lan',
    '254.169.254.169.in-addr.arpa',
  ])('is refused the name %s, and no name server hears of it', async (name) => {
    const prober = open(1)
    prober.ask(name)
    expect(prober.answers().map((answer) => readAnswer(answer).rcode)).toEqual(['REFUSED'])
    expect(server.asked).toEqual([])
  })

  test.each(['10.0.0.1', '192.168.0.1', '169.254.169.254', '100.100.100.200', '224.0.0.1'])(
    'is refused an answer with %s',
    async (address) => {
      server.zone = {
        'inside.test': [
          { type: 'A', data: '8.8.8.8' },
          { type: 'A', data: address },
        ],
      }
      const prober = open(1)
      prober.ask('inside.test')
      await until(() => prober.answers().length === 1)
      expect(readAnswer(prober.answers()[0])).toMatchObject({ rcode: 'REFUSED', data: [] })
    },
  )
})
