import type { Packet } from './packet.ts'
import { type TcpStream, tcpStreams } from './tcp-streams.ts'
import { type ClientHello, parseClientHello, parseServerHello, type ServerHello } from './tls-hello.ts'
import { clearHandshakeMessages, parseTlsRecords, type TlsRecord } from './tls-records.ts'

/** One TCP connection as an observer sees it who looks for TLS. */
export interface TlsSession {
  /** From the side that opened the connection. */
  readonly client: TcpStream
  readonly server: TcpStream
  readonly clientRecords: readonly TlsRecord[]
  readonly serverRecords: readonly TlsRecord[]
  /** The first that was sent; undefined if the connection does not begin with one. */
  readonly clientHello: ClientHello | undefined
  /** The last in the clear, so the one behind a retry; undefined if there is none. */
  readonly serverHello: ServerHello | undefined
  /** Either direction holds bytes that are no TLS record. */
  readonly broken: boolean
}

const CLIENT_HELLO = 1
const SERVER_HELLO = 2

/**
 * All TCP connections of a capture that carried bytes, each read as TLS. What is not TLS is here too: it is `broken` or
 * has no hello, so that a test can claim that nothing else crossed a wire.
 */
export function tlsSessions(packets: readonly Packet[]): TlsSession[] {
  const streams = tcpStreams(packets)
  const sessions: TlsSession[] = []
  const paired = new Set<TcpStream>()
  for (const client of streams) {
    if (paired.has(client)) continue
    const answer = streams.find((stream) => !paired.has(stream) && isAnswer(client, stream))
    const server = answer ?? { ...reversed(client), bytes: new Uint8Array(0), beyondGap: 0 }
    for (const stream of [client, server]) paired.add(stream)
    if (client.bytes.length + server.bytes.length > 0) sessions.push(readTlsSession(client, server))
  }
  return sessions
}

/** Reads the two directions of one connection. */
export function readTlsSession(client: TcpStream, server: TcpStream): TlsSession {
  const sent = parseTlsRecords(client.bytes)
  const answered = parseTlsRecords(server.bytes)
  const clientHello = clearHandshakeMessages(sent.records)[0]
  const serverHello = clearHandshakeMessages(answered.records).findLast(({ type }) => type === SERVER_HELLO)
  return {
    client,
    server,
    clientRecords: sent.records,
    serverRecords: answered.records,
    clientHello: clientHello?.type === CLIENT_HELLO ? parseClientHello(clientHello.body) : undefined,
    serverHello: serverHello === undefined ? undefined : parseServerHello(serverHello.body),
    broken: sent.broken || answered.broken,
  }
}

function isAnswer(client: TcpStream, stream: TcpStream): boolean {
  const ends = reversed(client)
  return (
    stream.source === ends.source &&
    stream.sourcePort === ends.sourcePort &&
    stream.destination === ends.destination &&
    stream.destinationPort === ends.destinationPort
  )
}

function reversed({
  source,
  sourcePort,
  destination,
  destinationPort,
}: TcpStream): Omit<TcpStream, 'bytes' | 'beyondGap'> {
  return { source: destination, sourcePort: destinationPort, destination: source, destinationPort: sourcePort }
}
