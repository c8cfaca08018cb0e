import { z } from 'zod'
import { parseIp } from '../../shared/base/ip-address.ts'
import { scopeOf } from '../../shared/base/ip-scope.ts'
import { endpointSchema } from '../../shared/base/options.ts'
import { isHostName } from '../../shared/cell/target.ts'

const address = z.string().transform((text, context) => {
  const ip = parseIp(text)
  if (ip !== undefined) return ip
  context.addIssue({ code: 'custom', message: 'expected an address, like 192.0.2.1 or 2001:db8::1' })
  return z.NEVER
})

const hostName = z.string().refine(isHostName, 'expected a host name, like dns.example')

const secureUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url?.username === '' && url.password === '' && url.hash === ''
  if (url?.protocol === 'https:' && isPlain && isHostName(url.hostname)) return url
  context.addIssue({ code: 'custom', message: 'expected an address like https://dns.example/dns-query' })
  return z.NEVER
})

/** Who in the world is asked. All are reached through circuits. */
const upstream = z.discriminatedUnion('kind', [
  /** The exit of the circuit asks its own resolver: the fastest; each exit sees the names of one app and site. */
  z.strictObject({ kind: z.literal('exit') }),
  /** DNS over TLS (RFC 7858). The certificate must be for `server`; the exit looks it up if it has no `address`. */
  z.strictObject({
    kind: z.literal('tls'),
    server: hostName,
    address: address.optional(),
    port: z.int().min(1).max(65_535).default(853),
  }),
  /** DNS over HTTPS (RFC 8484), by POST over HTTP/2. */
  z.strictObject({ kind: z.literal('https'), url: secureUrl, address: address.optional() }),
])

const listen = endpointSchema.refine(
  ({ ip }) => scopeOf(ip) === 'loopback',
  'expected an address of loopback, like 127.0.0.1:5300: others could use it to ask in your name',
)

/** Names in lower case without a last dot, each with something. */
const byName = <Value extends z.ZodType>(value: Value) =>
  z
    .record(hostName, value)
    .refine((entries) => Object.keys(entries).length <= 10_000, 'expected at most 10000 names')
    .transform((entries) => {
      const plain = Object.entries(entries).map(([name, one]) => [name.toLowerCase().replace(/\.$/, ''), one] as const)
      return new Map<string, z.output<Value>>(plain as [string, z.output<Value>][])
    })

/** The section `dns` of the client's configuration file. */
export const dnsOptionsSchema = z.strictObject({
  /** Where programs of this computer find the resolver, by UDP and TCP; null for nowhere. Interception does not need it. */
  listen: listen.nullable().default(null),
  /** In the order of preference: the next is asked if one fails or is slow. */
  upstreams: z
    .array(upstream)
    .min(1)
    .max(8)
    .default([{ kind: 'exit' }]),
  /** Certificates (PEM) that upstreams are verified by, in place of the usual ones. */
  caFile: z.string().min(1).optional(),
  /** Zones of the local network, with the servers that are asked for them directly, outside of the tunnel. */
  zones: byName(z.array(endpointSchema).min(1).max(8)).default(new Map()),
  /** Names with fixed addresses. */
  hosts: byName(z.array(address).min(1).max(64)).default(new Map()),
  /** A file of such names, read again when it changes; null for none. */
  hostsFile: z.string().min(1).nullable().default('/etc/hosts'),
  /** Tell programs that ask by the usual names that they shall not pass this resolver by. */
  canary: z.boolean().default(true),
  /** Names of known public servers for DNS over HTTPS, TLS and QUIC do not exist. */
  blockKnownDoh: z.boolean().default(false),
  /** Answers are kept for so many seconds at least and at most, whatever they say themselves. */
  leastTtlSeconds: z.int().min(0).max(3600).default(10),
  mostTtlSeconds: z.int().min(1).max(86_400).default(3600),
  /** If nobody answers, an answer may be given whose time is over for so many seconds; 0 for never. */
  staleSeconds: z.int().min(0).max(604_800).default(0),
  /** Answers that are kept at once, and mebibytes for them. */
  cacheEntries: z.int().min(1).max(1_000_000).default(10_000),
  cacheMib: z.int().min(1).max(1024).default(16),
})

export type DnsOptions = z.output<typeof dnsOptionsSchema>
export type UpstreamSettings = DnsOptions['upstreams'][number]
