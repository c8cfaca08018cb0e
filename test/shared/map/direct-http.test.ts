import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import { directHttp } from '../../../shared/map/direct-http.ts'
import { rejectionOf } from '../../support/fault-of.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signal = AbortSignal.timeout(120_000)

describe('a request over the internet as it is', () => {
  test('carries method, headers and body, and nothing that tells programs or languages apart', async () => {
    const seen: { headers?: Record<string, unknown>; body?: string } = {}
    const url = await serve(async (request, response) => {
      seen.headers = request.headers
      seen.body = Buffer.concat(await request.toArray()).toString()
      response.writeHead(202, { etag: '"abc"' }).end('taken')
    })
    const body = new TextEncoder().encode('descriptor')
    const headers = { 'content-type': 'application/octet-stream' }
    const answer = await directHttp({ method: 'POST', url: `${url}/v1/x`, headers, body, maxBytes: 100 }, signal)
    expect(answer).toEqual({ status: 202, etag: '"abc"', body: new TextEncoder().encode('taken') })
    expect(seen.body).toBe('descriptor')
    expect(seen.headers).toMatchObject({ 'user-agent': 'spn', 'content-type': 'application/octet-stream' })
    expect(seen.headers).not.toHaveProperty('cookie')
    expect(['*', undefined]).toContain(seen.headers?.['accept-language'])
  })

  test('takes an answer of the largest size, and cuts off one that is larger, also an endless one', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/endless') response.write(Buffer.alloc(64 * 1024))
      else response.end(Buffer.alloc(Number(request.url?.slice(1))))
    })
    const get = (path: string) => directHttp({ method: 'GET', url: `${url}/${path}`, maxBytes: 1_000 }, signal)
    expect((await get('1000')).body).toHaveLength(1_000)
    expect((await rejectionOf(get('1001'))).code).toBe('document-too-large')
    expect((await rejectionOf(get('endless'))).code).toBe('document-too-large')
  })

  test('does not follow a redirection', async () => {
    let asked = 0
    const url = await serve((_, response) => {
      asked++
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    await expect(directHttp({ method: 'GET', url, maxBytes: 1_000 }, signal)).rejects.toThrow()
    expect(asked).toBe(1)
  })

  test('has no entity tag where none was sent', async () => {
    const url = await serve((_, response) => void response.writeHead(304).end())
    expect(await directHttp({ method: 'GET', url, maxBytes: 1_000 }, signal)).toEqual({
      status: 304,
      etag: undefined,
      body: new Uint8Array(0),
    })
  })

  test('ends when it is given up', async () => {
    const url = await serve(() => {})
    const giveUp = new AbortController()
    const request = directHttp({ method: 'GET', url, maxBytes: 1_000 }, giveUp.signal)
    giveUp.abort()
    await expect(request).rejects.toThrow()
  })
})
