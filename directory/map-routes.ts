import type { FastifyInstance, FastifyReply } from 'fastify'
import { parseHex, toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { HASH_BYTES } from '../shared/map/hub-map.ts'
import type { MapDocuments } from './map-archive.ts'
import type { StoredMap } from './store.ts'

export interface MapHandlers {
  readonly map: () => { map: StoredMap; freshForS: number } | undefined
  readonly documents: MapDocuments
}

const RETRY_AFTER_S = 2
const HEAD_MAX_AGE_S = 10
/** What is named by its hash never changes. */
const FOR_EVER = 'public, max-age=31536000, immutable'

/** Maps, diffs and circuit keys (SPEC section 11.6). All but `head` and `map` are the same for ever, so that a mirror can be a folder of files. */
export function addMapRoutes(server: FastifyInstance, { map, documents }: MapHandlers): void {
  server.get('/v1/head', (_request, reply) => {
    const current = map()
    if (current === undefined) return refuseEarly(reply)
    const { epoch, hash } = current.map
    return reply.header('cache-control', `public, max-age=${HEAD_MAX_AGE_S}`).send({ epoch, hash: toHex(hash) })
  })

  server.get('/v1/map', (request, reply) => {
    const current = map()
    if (current === undefined) return refuseEarly(reply)
    const etag = `"${toHex(current.map.hash)}"`
    reply.header('etag', etag).header('cache-control', `public, max-age=${current.freshForS}`)
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return sendBytes(reply, current.map.signed)
  })

  const one = (path: string, find: (hash: Uint8Array) => Promise<Uint8Array | undefined>): void => {
    server.get<{ Params: { hash: string } }>(`${path}/:hash`, async ({ params: { hash } }, reply) =>
      sendForEver(reply, await find(hashOf(hash))),
    )
  }
  const two = (path: string, find: (from: Uint8Array, to: Uint8Array) => Promise<Uint8Array | undefined>): void => {
    server.get<{ Params: { from: string; to: string } }>(`${path}/:from/:to`, async ({ params: { from, to } }, reply) =>
      sendForEver(reply, await find(hashOf(from), hashOf(to))),
    )
  }
  one('/v1/maps', (hash) => documents.map(hash))
  two('/v1/diffs', (from, to) => documents.diff(from, to))
  one('/v1/keys', (hash) => documents.keys(hash))
  two('/v1/keys', (from, to) => documents.keyDiff(from, to))
}

/** Lower case alone: a document has one path. */
function hashOf(text: string): Uint8Array {
  const hash = parseHex(text)
  if (hash?.length !== HASH_BYTES || toHex(hash) !== text) throw new Fault('not-found')
  return hash
}

function sendForEver(reply: FastifyReply, bytes: Uint8Array | undefined): FastifyReply {
  if (bytes === undefined) throw new Fault('not-found')
  return sendBytes(reply.header('cache-control', FOR_EVER), bytes)
}

function sendBytes(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  return reply.type('application/octet-stream').send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
}

function refuseEarly(reply: FastifyReply): FastifyReply {
  return reply.header('retry-after', RETRY_AFTER_S).code(503).send({ fault: 'map-early' })
}
