import { Fault } from '../base/fault.ts'
import type { HttpSend } from './http-send.ts'

/** Requests over the internet as it is. Redirections are not followed. */
export const directHttp: HttpSend = async ({ method, url, headers, body, maxBytes }, signal) => {
  const answer = await fetch(url, {
    method,
    redirect: 'error',
    signal,
    headers: { 'user-agent': 'spn', ...headers },
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  })
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Fault('document-too-large', { maxBytes })
    chunks.push(chunk)
  }
  return {
    status: answer.status,
    etag: answer.headers.get('etag') ?? undefined,
    body: new Uint8Array(Buffer.concat(chunks)),
  }
}
