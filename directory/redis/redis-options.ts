import { z } from 'zod'

/** Where the Redis is that the replicas of a directory share. */
export interface RedisOptions {
  /** The Redis itself, or sentinels, or some nodes of a cluster. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** Name of the primary, where the nodes are sentinels. */
  readonly sentinel: string | undefined
  readonly cluster: boolean
}

const PORT = 6379
const EXPECTED = 'expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS'

/**
 * `redis://HOST:6379`; with commas `redis://A:26379,redis://B:26379?sentinel=NAME` for sentinels, and
 * `redis://A,redis://B?cluster=yes` for a cluster; or `{ urls, sentinel, cluster }`. Mistakes never repeat what was
 * written, which may hold a password.
 */
export const redisSchema = z
  .union([
    z.string().transform((text) => parseText(text)),
    z.strictObject({
      urls: z.array(z.string()).min(1).max(32),
      sentinel: z.string().min(1).optional(),
      cluster: z.boolean().default(false),
    }),
  ])
  .transform(({ urls, sentinel, cluster }, context): RedisOptions => {
    const parsed = urls.map((text) => parseUrl(text))
    const mistakes = mistakesOf(parsed, sentinel, cluster)
    for (const message of mistakes) context.addIssue({ code: 'custom', message })
    if (mistakes.length > 0) return z.NEVER
    const found = parsed.filter((one) => one !== undefined)
    const { tls = false, username, password, database = 0 } = found[0] ?? {}
    return {
      nodes: found.map(({ host, port }) => ({ host, port })),
      tls,
      username,
      password,
      database,
      sentinel,
      cluster,
    }
  })

interface ParsedUrl {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

function mistakesOf(
  urls: readonly (ParsedUrl | undefined)[],
  sentinel: string | undefined,
  cluster: boolean,
): string[] {
  const mistakes = urls.flatMap((url, i) => (url === undefined ? [`url ${i + 1}: ${EXPECTED}`] : []))
  if (sentinel !== undefined && cluster) mistakes.push('expected sentinels or a cluster, not both')
  if (urls.length > 1 && sentinel === undefined && !cluster) {
    mistakes.push('expected one url, or the name of the primary (sentinel), or that it is a cluster')
  }
  if (cluster && urls.some((url) => (url?.database ?? 0) !== 0))
    mistakes.push('expected database 0, as in every cluster')
  if (new Set(urls.map((url) => url?.tls)).size > 1) mistakes.push('expected TLS for all urls or for none')
  return mistakes
}

/** Urls with commas between them; behind the last may stand `?sentinel=NAME` or `?cluster=yes`. */
function parseText(text: string): { urls: string[]; sentinel: string | undefined; cluster: boolean } {
  const [urls = '', query = ''] = text.split('?')
  const words = new URLSearchParams(query)
  const known = [...words].every(
    ([name, value]) => (name === 'sentinel' && value !== '') || `${name}=${value}` === 'cluster=yes',
  )
  // A word that is not known makes the whole text one url, which is none.
  if (!known) return { urls: [''], sentinel: undefined, cluster: false }
  return { urls: urls.split(','), sentinel: words.get('sentinel') ?? undefined, cluster: words.has('cluster') }
}

function parseUrl(text: string): ParsedUrl | undefined {
  const url = URL.parse(text)
  const database = Number(url?.pathname.slice(1) || '0')
  const isRedis = url?.protocol === 'redis:' || url?.protocol === 'rediss:'
  if (url === null || !isRedis || url.hostname === '' || !(Number.isInteger(database) && database >= 0))
    return undefined
  if (url.search !== '' || url.hash !== '') return undefined
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? PORT : Number(url.port),
    tls: url.protocol === 'rediss:',
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
    database,
  }
}
