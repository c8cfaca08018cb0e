import net from 'node:net'
import { Duplex } from 'node:stream'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { StreamChannel } from '../../../client/dns/dns-channel.ts'
import type { UpstreamSettings } from '../../../client/dns/dns-options.ts'
import type { DnsWay } from '../../../client/dns/dns-way.ts'
import { tunnelUpstream } from '../../../client/dns/tunnel-upstreams.ts'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { systemClock } from '../../../shared/base/clock.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import type { Target } from '../../../shared/cell/target.ts'
import { CircuitStream } from '../../../shared/circuit/circuit-stream.ts'
import { SocketPump } from '../../../shared/circuit/socket-pump.ts'
import { DnsStreamReader, frameMessage } from '../../../shared/dns/dns-stream.ts'
import { askFor, readAnswer } from '../../support/dns-questions.ts'
import { throwAwayCertificate } from '../../support/throw-away-certificate.ts'
import { TunnelConnector } from '../../support/tunnel-connector.ts'
import { answerFromZone, type Zone } from '../../support/zone-answer.ts'
import { type ServerIdentity, ZoneServer } from '../../support/zone-server.ts'

const ZONE: Zone = {
  ...Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`n${i}.test`, [{ type: 'A', data: `9.9.9.${i}` }]])),
  'long.test': Array.from({ length: 200 }, (_, i) => ({ type: 'TXT', data: [`${i} ${'x'.repeat(200)}`] })),
}
const never = new AbortController().signal

/** A stream of which the test is the other end: what was written, as queries. */
class TestStream extends Duplex {
  readonly queries: Uint8Array[] = []
  readonly #reader = new DnsStreamReader()

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.queries.push(...this.#reader.push(chunk))
    done()
  }

  answer(query: Uint8Array | undefined): void {
    this.push(frameMessage(answerFromZone(query as Uint8Array, ZONE, 'tcp')))
  }
}

describe('a stream of messages', () => {
  let stream: TestStream
  let channel: StreamChannel
  const ask = (name: string, signal = never) => channel.ask(askFor(name), signal)
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  beforeEach(() => {
    stream = new TestStream()
    channel = new StreamChannel(stream, systemRandom, 0)
  })

  test('carries several queries at once; answers find their way in any order', async () => {
    const answers = [ask('n1.test'), ask('n2.test'), ask('n3.test')]
    await turn()
    for (const query of [...stream.queries].reverse()) stream.answer(query)
    expect((await Promise.all(answers)).map((one) => readAnswer(one).data)).toEqual([
      ['9.9.9.1'],
      ['9.9.9.2'],
      ['9.9.9.3'],
    ])
    expect(new Set(stream.queries.map(([high, low]) => `${high} ${low}`)).size).toBe(3)
    expect(channel.pending).toBe(0)
  })

  test('passes over answers that nobody waits for, and such to another question', async () => {
    const answer = ask('n1.test')
    await turn()
    const query = stream.queries[0] as Uint8Array
    stream.push(
      frameMessage(
        answerFromZone(
          query.map((byte, i) => (i < 2 ? byte ^ 0xff : byte)),
          ZONE,
          'tcp',
        ),
      ),
    )
    stream.push(
      frameMessage(
        answerFromZone(
          query.map((byte, i) => (i === 14 ? 0x32 : byte)),
          ZONE,
          'tcp',
        ),
      ),
    )
    stream.answer(query)
    expect(readAnswer(await answer).data).toEqual(['9.9.9.1'])
  })

  test('ends with nonsense, and fails all that wait', async () => {
    const answers = Promise.allSettled([ask('n1.test'), ask('n2.test')])
    await turn()
    stream.push(concatBytes(Uint8Array.of(0, 3, 1, 2, 3)))
    expect((await answers).map((one) => (one.status === 'rejected' ? one.reason.code : 'answered'))).toEqual([
      ...['encoding-invalid', 'encoding-invalid'],
    ])
    expect([channel.isOver, stream.destroyed]).toEqual([true, true])
    await expect(ask('n3.test')).rejects.toMatchObject({ code: 'circuit-closed' })
  })

  test.each([
    ['its end', () => stream.push(null), 'circuit-closed'],
    ['its failure', () => stream.destroy(new Fault('connection-refused')), 'connection-refused'],
  ])('fails what waits at %s', async (_, end, code) => {
    const answer = ask('n1.test')
    await turn()
    end()
    await expect(answer).rejects.toMatchObject({ code })
    expect(channel.isOver).toBe(true)
  })

  test('forgets a query that is given up, and takes 64 at once', async () => {
    const giveUp = new AbortController()
    const given = ask('n1.test', giveUp.signal)
    giveUp.abort()
    await expect(given).rejects.toMatchObject({ code: 'cancelled' })
    await expect(ask('n1.test', giveUp.signal)).rejects.toMatchObject({ code: 'cancelled' })
    expect(channel.pending).toBe(0)
    const asked = Array.from({ length: 64 }, (_, i) => ask(`n${i}.test`))
    await expect(ask('n64.test')).rejects.toMatchObject({ code: 'limit-reached' })
    for (const query of stream.queries.slice(1)) stream.answer(query)
    await Promise.all(asked)
  })

  test('has no answers that are cut off: over a stream nothing has to be', async () => {
    const answer = ask('n1.test')
    await turn()
    const reply = Buffer.from(answerFromZone(stream.queries[0] as Uint8Array, ZONE, 'tcp'))
    reply.writeUInt8(reply.readUInt8(2) | 2, 2)
    stream.push(frameMessage(reply))
    await expect(answer).rejects.toMatchObject({ code: 'name-failed' })
  })
})

describe('a server over TLS and HTTPS, through a circuit', () => {
  let identity: ServerIdentity
  let server: ZoneServer
  let ports: { tls: number; https: number }
  let connector: TunnelConnector

  beforeAll(async () => {
    identity = await throwAwayCertificate('dns.test')
  })

  /** The exit of every circuit is a connection to the port that its target names. */
  beforeEach(async () => {
    server = new ZoneServer(ZONE)
    ports = { tls: await server.startTls(identity), https: await server.startHttps(identity) }
    connector = new TunnelConnector()
    connector.onOpen = (tunnel) => {
      const { sink, target } = tunnel
      const { port } = target as Target
      const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true })
      const pump = new SocketPump(socket, {
        write: (bytes) => {
          sink.data(bytes.slice(), bytes.length)
          return true
        },
        finish: () => sink.finished(),
        reset: () => sink.closed(new Fault('connection-reset')),
        release: () => {},
      })
      tunnel.write = (bytes) => {
        pump.data(bytes.slice(), bytes.length)
        return true
      }
      tunnel.finish = () => pump.finished()
      const reset = tunnel.reset.bind(tunnel)
      tunnel.reset = () => {
        socket.destroy()
        reset()
      }
      sink.opened(4)
    }
  })

  afterEach(() => server.close())

  const upstream = (settings: UpstreamSettings, ca: string | undefined = identity.cert) =>
    tunnelUpstream(settings, {
      ...{ clock: systemClock, random: systemRandom, ca },
    })

  const wayOf = (key: string): DnsWay => ({
    key,
    connect: (opening) => new CircuitStream((sink) => connector.connector.open(opening, 'client', sink)),
  })

  const settingsOf = (kind: 'tls' | 'https', name = 'dns.test'): UpstreamSettings =>
    kind === 'tls'
      ? { kind, server: name, port: ports.tls }
      : { kind, url: new URL(`https://${name}:${ports.https}/dns-query`) }

  test.each(['tls', 'https'] as const)(
    '%s: answers on one connection, to the name that it was configured with',
    async (kind) => {
      const one = upstream(settingsOf(kind))
      const answers = await Promise.all([1, 2, 3].map((i) => one.ask(askFor(`n${i}.test`), wayOf('key'), never)))
      expect(answers.map((answer) => readAnswer(answer).data)).toEqual([['9.9.9.1'], ['9.9.9.2'], ['9.9.9.3']])
      expect(connector.tunnels.map(({ target }) => target)).toEqual([
        { kind: 'name', name: 'dns.test', port: ports[kind] },
      ])
      expect(server.asked.map(({ transport, bytes, options }) => [transport, bytes % 128, options])).toEqual(
        Array(3).fill([kind, 0, [12]]),
      )
      await one.ask(askFor('n4.test'), wayOf('other key'), never)
      expect([connector.tunnels.length, one.circuits]).toEqual([2, 2])
      one.close()
    },
  )

  test.each(['tls', 'https'] as const)('%s: carries answers of many cells', async (kind) => {
    const one = upstream(settingsOf(kind))
    expect(readAnswer(await one.ask(askFor('long.test', 16), wayOf('key'), never)).data).toHaveLength(200)
    one.close()
  })

  test.each([
    ['tls', 'another name', 'other.test', true],
    ['https', 'another name', 'other.test', true],
    ['tls', 'an issuer that is not trusted', 'dns.test', false],
    ['https', 'an issuer that is not trusted', 'dns.test', false],
  ] as const)('%s: a certificate of %s ends it before a question is asked', async (kind, _, name, trusted) => {
    const other = await throwAwayCertificate('dns.test')
    const one = upstream(settingsOf(kind, name), trusted ? identity.cert : other.cert)
    await expect(one.ask(askFor('n1.test'), wayOf('key'), never)).rejects.toThrow()
    expect(server.asked).toEqual([])
    one.close()
  })

  test.each(['tls', 'https'] as const)('%s: fails by the fault of the circuit', async (kind) => {
    connector.onOpen = ({ sink }) => sink.closed(new Fault('connection-refused'))
    const one = upstream(settingsOf(kind))
    await expect(one.ask(askFor('n1.test'), wayOf('key'), never)).rejects.toThrow()
    one.close()
  })

  test('https: believes no answer to another question, none of another kind, and none too long', async () => {
    const one = upstream(settingsOf('https'))
    server.alter = (answer) => Uint8Array.from(answer).map((byte, i) => (i === 14 ? 0x32 : byte))
    await expect(one.ask(askFor('n1.test'), wayOf('key'), never)).rejects.toMatchObject({ code: 'encoding-invalid' })
    server.alter = () => undefined // the server then answers with a status of its own
    await expect(one.ask(askFor('n1.test'), wayOf('key'), never)).rejects.toMatchObject({ code: 'name-failed' })
    server.alter = () => new Uint8Array(70_000)
    await expect(one.ask(askFor('n1.test'), wayOf('key'), never)).rejects.toMatchObject({ code: 'document-too-large' })
    one.close()
  })
})
