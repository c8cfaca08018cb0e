/**
 * A web server of the world, as a program.
 *
 *     node http-server.ts PORT
 *
 *     GET  /address             the caller's address as the server sees it, and a line break
 *     GET  /data?bytes=N&seed=S N bytes of `seededData(S, N)`
 *     POST /echo                the body, as it comes in
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { seededChunks } from './seeded-data.ts'

const MAX_BYTES = 1 << 30
const port = Number(process.argv[2])

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
server.listen(port, '::', () => console.log('ready'))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const route = `${request.method} ${url.pathname}`
  if (route === 'GET /address') {
    response.end(`${(request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')}\n`)
  } else if (route === 'GET /data') {
    const bytes = Math.min(MAX_BYTES, Number(url.searchParams.get('bytes') ?? 0))
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
    await pipeline(Readable.from(seededChunks(url.searchParams.get('seed') ?? '', bytes)), response)
  } else if (route === 'POST /echo') {
    await pipeline(request, response)
  } else {
    response.writeHead(404).end()
  }
}
