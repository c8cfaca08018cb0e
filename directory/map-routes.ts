import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseHex, toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { sha256 } from '../shared/crypto/kdf.ts'
import { HASH_BYTES } from '../shared/map/hub-map.ts'
import { API } from './api-schemas.ts'
import { rangeOf } from './byte-range.ts'
import type { MapDocuments } from './map-archive.ts'
import type { StoredMap } from './store.ts'

export interface MapHandlers {
  readonly map: () => { map: StoredMap; freshForS: number } | undefined
  /** The newest map as JSON. */
  readonly mapExport: (map: StoredMap) => string
  readonly documents: MapDocuments
}

const RETRY_AFTER_S = 2
const HEAD_MAX_AGE_S = 10
/** What is named by its hash never changes. */
const FOR_EVER = 'public, max-age=31536000, immutable'

/** Maps, diffs and circuit keys (SPEC section 11.6). All but the newest are the same for ever, so that a mirror can be a folder of files. */
export function addMapRoutes(server: FastifyInstance, { map, mapExport, documents }: MapHandlers): void {
  server.get('/v1/head', { schema: API.head }, (_request, reply) => {
    const current = map()
    if (current === undefined) return refuseEarly(reply)
    const { epoch, hash } = current.map
    return reply.header('cache-control', `public, max-age=${HEAD_MAX_AGE_S}`).send({ epoch, hash: toHex(hash) })
  })

  const newest = (path: string, schema: object, send: (reply: FastifyReply, map: StoredMap) => FastifyReply): void => {
    server.get(path, { schema }, (request, reply) => {
      const current = map()
      if (current === undefined) return refuseEarly(reply)
      const etag = `"${toHex(current.map.hash)}"`
      reply.header('etag', etag).header('cache-control', `public, max-age=${current.freshForS}`)
      return request.headers['if-none-match'] === etag ? reply.code(304).send() : send(reply, current.map)
    })
  }
  newest('/v1/map', API.map, (reply, { signed }) => sendBytes(reply, signed))
  newest('/v1/map.json', API.mapExport, (reply, held) =>
    reply.type('application/json; charset=utf-8').send(mapExport(held)),
  )

  const one = (path: string, schema: object, find: (hash: Uint8Array) => Promise<Uint8Array | undefined>): void => {
    server.get<{ Params: { hash: string } }>(`${path}/:hash`, { schema }, async (request, reply) =>
      sendForEver(request, reply, await find(hashOf(request.params.hash))),
    )
  }
  const two = (
    path: string,
    schema: object,
    find: (from: Uint8Array, to: Uint8Array) => Promise<Uint8Array | undefined>,
  ): void => {
    server.get<{ Params: { from: string; to: string } }>(`${path}/:from/:to`, { schema }, async (request, reply) =>
      sendForEver(request, reply, await find(hashOf(request.params.from), hashOf(request.params.to))),
    )
  }
  one('/v1/maps', API.maps, (hash) => documents.map(hash))
  two('/v1/diffs', API.diffs, (from, to) => documents.diff(from, to))
  one('/v1/keys', API.keys, (hash) => documents.keys(hash))
  two('/v1/keys', API.keyDiffs, (from, to) => documents.keyDiff(from, to))
}

/** Lower case alone: a document has one path. */
function hashOf(text: string): Uint8Array {
  const hash = parseHex(text)
  if (hash?.length !== HASH_BYTES || toHex(hash) !== text) throw new Fault('not-found')
  return hash
}

/**
 * A document, or the part that is asked for. Its entity tag is the hash of its very bytes: a map can stand elsewhere with
 * other signatures, and parts of the two would make none.
 */
function sendForEver({ headers }: FastifyRequest, reply: FastifyReply, bytes: Uint8Array | undefined): FastifyReply {
  if (bytes === undefined) throw new Fault('not-found')
  const etag = `"${toHex(sha256(bytes))}"`
  reply.header('etag', etag).header('cache-control', FOR_EVER).header('accept-ranges', 'bytes')
  if (headers['if-none-match'] === etag) return reply.code(304).send()
  const isSame = headers['if-range'] === undefined || headers['if-range'] === etag
  const range = isSame ? rangeOf(headers.range, bytes.length) : undefined
  if (range === undefined) return sendBytes(reply, bytes)
  if (range === 'unsatisfiable') {
    return reply.code(416).header('content-range', `bytes */${bytes.length}`).send({ fault: 'not-found' })
  }
  const { from, to } = range
  reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${bytes.length}`)
  return sendBytes(reply, bytes.subarray(from, to))
}

function sendBytes(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  return reply.type('application/octet-stream').send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
}

function refuseEarly(reply: FastifyReply): FastifyReply {
  return reply.header('retry-after', RETRY_AFTER_S).code(503).send({ fault: 'map-early' })
}
