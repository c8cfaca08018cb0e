import http from 'node:http'
import https from 'node:https'
import tls from 'node:tls'
import { Fault } from '../shared/base/fault.ts'
import { parseIp } from '../shared/base/ip-address.ts'
import type { Target } from '../shared/cell/target.ts'
import { CircuitStream } from '../shared/circuit/circuit-stream.ts'
import type { HttpAnswer, HttpRequest, HttpSend } from '../shared/map/http-send.ts'
import type { Connector } from './connector.ts'

/** Requests of the client itself, each through a circuit of its own. Redirections are not followed. */
export function circuitHttp(connector: Connector): HttpSend {
  return (request, signal) =>
    new Promise((resolve, reject) => {
      const url = new URL(request.url)
      const stream = new CircuitStream((sink) => connector.open(targetOf(url), 'client', sink))
      const secure = url.protocol === 'https:'
      const socket = secure ? tls.connect({ socket: stream, servername: url.hostname }) : stream
      const headers = { 'user-agent': 'spn', connection: 'close', ...request.headers }
      const outgoing = (secure ? https : http).request(url, {
        method: request.method,
        headers,
        signal,
        createConnection: () => socket as never,
      })
      outgoing.once('error', reject)
      outgoing.once('response', (incoming) => {
        readAnswer(incoming, request).then(resolve, reject)
      })
      outgoing.end(request.body)
    })
}

function targetOf(url: URL): Target {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const address = parseIp(host)
  return address === undefined ? { kind: 'name', name: host, port } : { kind: 'ip', address, port }
}

async function readAnswer(incoming: http.IncomingMessage, { maxBytes }: HttpRequest): Promise<HttpAnswer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > maxBytes) {
      incoming.destroy()
      throw new Fault('document-too-large', { maxBytes })
    }
    chunks.push(chunk)
  }
  const { etag } = incoming.headers
  return { status: incoming.statusCode ?? 0, etag, body: new Uint8Array(Buffer.concat(chunks)) }
}
