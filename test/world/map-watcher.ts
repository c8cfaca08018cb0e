/**
 * Looks at directories all the time, as a program.
 *
 *     node map-watcher.ts URL...
 *
 * Prints a line of JSON for every map that one of them shows, `{"url", "map"}` with its signed bytes in base64, and for
 * every change of what it says of itself, `{"url", "health"}`.
 */
import { directHttp } from '../../shared/map/direct-http.ts'
import type { HttpAnswer } from '../../shared/map/http-send.ts'

const PAUSE_MS = 300
const TIMEOUT_MS = 5_000
const MAX_BYTES = 1 << 20

async function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpAnswer | undefined> {
  try {
    return await directHttp({ method: 'GET', url, headers, maxBytes: MAX_BYTES }, AbortSignal.timeout(TIMEOUT_MS))
  } catch {
    return undefined // not there, or cut off
  }
}

async function watch(url: string): Promise<never> {
  let tag = 'none'
  let said = ''
  for (;;) {
    const answer = await get(`${url}/v1/map`, { 'if-none-match': tag })
    if (answer?.status === 200) {
      tag = answer.etag ?? tag
      console.log(JSON.stringify({ url, map: Buffer.from(answer.body).toString('base64') }))
    }
    const health = Buffer.from((await get(`${url}/healthz`))?.body ?? []).toString()
    if (health !== '' && health !== said) {
      said = health
      console.log(JSON.stringify({ url, health: JSON.parse(health) }))
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

console.log('ready')
await Promise.all(process.argv.slice(2).map(watch))
