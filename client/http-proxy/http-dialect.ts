import type { ProxyDialect } from '../proxy/proxy-dialect.ts'
import { ESTABLISHED, readConnect, refusal, refusalFor } from './http-connect.ts'

/** HTTP CONNECT: each request becomes a connection. */
export const HTTP_DIALECT: ProxyDialect = {
  by: 'http',
  handshake: () => ({
    read: (pending) => {
      const request = readConnect(pending)
      if (request === undefined) return undefined
      if ('refuse' in request) return { kind: 'refuse', answer: refusal(request.refuse, request.because) }
      return { kind: 'open', ...request }
    },
  }),
  opened: ESTABLISHED,
  refused: refusalFor,
}
