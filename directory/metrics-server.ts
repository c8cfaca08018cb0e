import Fastify, { type FastifyInstance } from 'fastify'
import type { DirectoryMetrics } from './metrics.ts'

const REQUEST_TIMEOUT_MS = 10_000

/** Answers Prometheus, on an address of its own: numbers of a directory are not for everybody who can reach its map. */
export function createMetricsServer(metrics: DirectoryMetrics): FastifyInstance {
  const server = Fastify({ logger: false, requestTimeout: REQUEST_TIMEOUT_MS, connectionTimeout: REQUEST_TIMEOUT_MS })
  server.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()))
  server.setNotFoundHandler((_request, reply) => reply.code(404).send())
  server.setErrorHandler((_error, _request, reply) => reply.code(500).send())
  return server
}
