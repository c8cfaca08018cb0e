import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { parseHex, toHex } from '../shared/base/bytes.ts'
import { asFault, isFault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { formatIp, type IpRange, parseIp, rangeContains } from '../shared/base/ip-address.ts'
import { listenFault } from '../shared/base/listen-fault.ts'
import { MAX_DESCRIPTOR_BYTES } from '../shared/map/descriptor.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import { type SignedTime, TIME_NONCE_BYTES } from '../shared/map/signed-time.ts'
import type { Consensus, ConsensusHealth } from './consensus/consensus.ts'
import { addNoteRoutes } from './consensus/note-routes.ts'
import { addMapRoutes, type MapHandlers } from './map-routes.ts'

export interface HttpHandlers extends MapHandlers {
  /** @throws Fault for what is not taken */
  readonly takeDescriptor: (signed: Uint8Array, sender: string) => Promise<'accepted' | 'unchanged'>
  readonly time: (nonce: Uint8Array) => SignedTime
  /** Of a directory among several. */
  readonly consensus?: Consensus | undefined
  readonly health: () => Promise<DirectoryHealth>
}

export interface DirectoryHealth {
  readonly ok: boolean
  readonly epoch: number | undefined
  /** Undefined while the store does not answer. */
  readonly hubs: number | undefined
  readonly round?: ConsensusHealth | undefined
}

/** HTTP status by fault; what is not listed is the sender's mistake. */
const STATUS: Partial<Record<FaultCode, number>> = {
  'not-found': 404,
  'descriptor-older': 409,
  'note-epoch': 409,
  'document-too-large': 413,
  'descriptor-rate': 429,
  'limit-reached': 503,
  'store-unreachable': 503,
  'store-slow': 503,
  'store-full': 503,
  'store-read-only': 503,
  'store-unsafe': 503,
  'store-refused': 503,
  'lease-lost': 503,
  internal: 500,
}

const REQUEST_TIMEOUT_MS = 10_000

/**
 * The directory's HTTP interface (SPEC section 11.6). Logs nothing of who asks for what.
 * @param trustedProxies whose `x-forwarded-for` says who sends; by default nobody's, anybody could write it
 */
export function createHttpServer(handlers: HttpHandlers, trustedProxies: readonly IpRange[] = []): FastifyInstance {
  const server = Fastify({
    logger: false,
    trustProxy: trustedProxies.length > 0 && ((address) => isIn(trustedProxies, address)),
    bodyLimit: MAX_DESCRIPTOR_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: 128 },
    // Such as a path that can not be decoded: Fastify's own answer would repeat it.
    frameworkErrors: (_error, _request, reply) => void refuse(reply, 400, 'encoding-invalid'),
  })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )

  server.post('/v1/descriptors', async (request, reply) => {
    if (!(request.body instanceof Uint8Array)) return refuse(reply, 400, 'encoding-invalid')
    const result = await handlers.takeDescriptor(new Uint8Array(request.body), request.ip)
    return reply.code(result === 'accepted' ? 202 : 200).send({ result })
  })

  addMapRoutes(server, handlers)

  server.get<{ Querystring: { nonce?: unknown } }>('/v1/time', (request, reply) => {
    const { nonce } = request.query
    const bytes = typeof nonce === 'string' ? parseHex(nonce) : undefined
    if (bytes?.length !== TIME_NONCE_BYTES) return refuse(reply, 400, 'encoding-invalid')
    const { timeMs, signature } = handlers.time(bytes)
    return reply.header('cache-control', 'no-store').send({ timeMs, signature: toHex(signature) })
  })

  if (handlers.consensus !== undefined) addNoteRoutes(server, handlers.consensus)

  server.get('/healthz', async (_request, reply) => {
    const health = await handlers.health()
    return reply.code(health.ok ? 200 : 503).send(health)
  })

  server.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'not-found'))
  server.setErrorHandler((error, _request, reply) => {
    if (isFault(error)) return refuse(reply, STATUS[error.code] ?? 400, error.code)
    const status = (error as { statusCode?: number }).statusCode ?? 500
    return refuse(reply, status, status === 413 ? 'document-too-large' : status < 500 ? 'encoding-invalid' : 'internal')
  })
  return server
}

/** @throws Fault port-in-use, address-unavailable, capability-missing */
export async function listenHttp(server: FastifyInstance, { ip, port }: LinkAddress): Promise<void> {
  try {
    await server.listen({ host: formatIp(ip), port })
  } catch (error) {
    throw asFault(listenFault(error, `${formatIp(ip)} port ${port}`))
  }
}

function isIn(ranges: readonly IpRange[], address: string): boolean {
  const ip = parseIp(address)
  return ip !== undefined && ranges.some((range) => rangeContains(range, ip))
}

function refuse(reply: FastifyReply, status: number, fault: FaultCode): FastifyReply {
  return reply.code(status).send({ fault })
}
