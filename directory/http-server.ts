import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { parseHex, toHex } from '../shared/base/bytes.ts'
import { asFault, Fault, isFault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { formatIp, type IpRange, ownerOf, parseIp, rangeContains } from '../shared/base/ip-address.ts'
import { listenFault } from '../shared/base/listen-fault.ts'
import { VERSION } from '../shared/base/version.ts'
import { MAX_DESCRIPTOR_BYTES } from '../shared/map/descriptor.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import { type SignedTime, TIME_NONCE_BYTES } from '../shared/map/signed-time.ts'
import { API } from './api-schemas.ts'
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
  readonly ready: () => Promise<{ map: boolean; store: boolean }>
  /** A request was answered: by the pattern of its path, never by who asked for what. */
  readonly onAnswer?: ((route: string, status: number, seconds: number) => void) | undefined
}

export interface DirectoryHealth {
  readonly epoch: number | undefined
  /** Undefined while the store does not answer. */
  readonly hubs: number | undefined
  readonly round?: ConsensusHealth | undefined
}

export interface HttpOptions {
  /** Whose `x-forwarded-for` says who sends; by default nobody's, anybody could write it. */
  readonly trustedProxies?: readonly IpRange[]
  /** Of one IPv4 address or /64 of IPv6. */
  readonly requestsPerMinute?: number
}

/** HTTP status by fault; what is not listed is the sender's mistake. */
const STATUS: Partial<Record<FaultCode, number>> = {
  'not-found': 404,
  'descriptor-older': 409,
  'note-epoch': 409,
  'document-too-large': 413,
  'descriptor-rate': 429,
  'request-rate': 429,
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
/** Senders whose requests are counted at a time; who was not heard for longest is forgotten. */
const MAX_SENDERS = 50_000
const RATE_WINDOW_MS = 60_000

/** The directory's HTTP interface (SPEC section 11.6). Logs nothing of who asks for what. */
export function createHttpServer(handlers: HttpHandlers, options: HttpOptions = {}): FastifyInstance {
  const { trustedProxies = [], requestsPerMinute = Number.MAX_SAFE_INTEGER } = options
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
  // Schemas are for the document alone: handlers look at what they get, and say what they mean.
  server.setValidatorCompiler(() => () => true)
  server.setSerializerCompiler(() => JSON.stringify)
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  server.setErrorHandler((error, _request, reply) => {
    if (isFault(error)) return refuse(reply, STATUS[error.code] ?? 400, error.code)
    const status = (error as { statusCode?: number }).statusCode ?? 500
    return refuse(reply, status, status === 413 ? 'document-too-large' : status < 500 ? 'encoding-invalid' : 'internal')
  })
  server.addHook('onResponse', (request, reply, done) => {
    handlers.onAnswer?.(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000)
    done()
  })
  server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'SPN directory', version: VERSION, description: 'What is signed is checked by who asks.' },
    },
  })
  server.register(rateLimit, {
    global: false,
    ...{ max: requestsPerMinute, timeWindow: RATE_WINDOW_MS, cache: MAX_SENDERS },
    keyGenerator: (request) => ownerOf(request.ip),
    // Answers are the same for everybody, also for caches in front.
    addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
    addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
    errorResponseBuilder: () => new Fault('request-rate'),
  })
  // Behind the plugins, which hear of routes that are added later only.
  server.register(async (routes) => {
    // In front of everything that a route does with a request, also where there is none.
    routes.addHook('onRequest', routes.rateLimit())
    addRoutes(routes, handlers)
    routes.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'not-found'))
  })
  return server
}

function addRoutes(server: FastifyInstance, handlers: HttpHandlers): void {
  server.post('/v1/descriptors', { schema: API.descriptors }, async (request, reply) => {
    if (!(request.body instanceof Uint8Array)) return refuse(reply, 400, 'encoding-invalid')
    const result = await handlers.takeDescriptor(new Uint8Array(request.body), request.ip)
    return reply.code(result === 'accepted' ? 202 : 200).send({ result })
  })

  addMapRoutes(server, handlers)

  server.get<{ Querystring: { nonce?: unknown } }>('/v1/time', { schema: API.time }, (request, reply) => {
    const { nonce } = request.query
    const bytes = typeof nonce === 'string' ? parseHex(nonce) : undefined
    if (bytes?.length !== TIME_NONCE_BYTES) return refuse(reply, 400, 'encoding-invalid')
    const { timeMs, signature } = handlers.time(bytes)
    return reply.header('cache-control', 'no-store').send({ timeMs, signature: toHex(signature) })
  })

  if (handlers.consensus !== undefined) addNoteRoutes(server, handlers.consensus)

  server.get('/healthz', { schema: API.healthz }, async (_request, reply) =>
    reply.send({ ok: true, ...(await handlers.health()) }),
  )

  server.get('/readyz', { schema: API.readyz }, async (_request, reply) => {
    const { map, store } = await handlers.ready()
    return reply.code(map && store ? 200 : 503).send({ ok: map && store, map, store })
  })

  server.get('/openapi.json', { schema: API.openapi }, (_request, reply) => reply.send(server.swagger()))
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
