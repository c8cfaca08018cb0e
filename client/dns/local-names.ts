import { type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import { DNS_RCODES, DNS_TYPES } from '../../shared/dns/dns-codes.ts'
import type { DnsQuestion } from '../../shared/dns/dns-message.ts'
import type { NameServer } from '../../shared/dns/plain-query.ts'
import { addressOfReverse, specialUse } from '../../shared/dns/special-names.ts'
import type { AnswerBody } from './answer-body.ts'
import { type HostsTable, hostsKey } from './hosts-file.ts'
import { isCanary, isKnownDoh } from './known-doh.ts'
import { addressBody, anyBody, emptyBody, pointerBody } from './local-body.ts'

export interface LocalNamesOptions {
  /** Name servers of zones of the local network, by zone. */
  readonly zones: ReadonlyMap<string, readonly NameServer[]>
  readonly canary: boolean
  readonly blockKnownDoh: boolean
}

export type LocalVerdict =
  /** Answered here, and by nobody else. */
  | { readonly kind: 'answer'; readonly body: AnswerBody }
  /** Of a zone of the local network: these are asked, directly. */
  | { readonly kind: 'zone'; readonly servers: readonly NameServer[] }
  /** A name of the world. */
  | { readonly kind: 'world' }

const LOOPBACK: readonly IpAddress[] = [Uint8Array.of(127, 0, 0, 1), new Uint8Array(16).fill(1, 15)]
const IPV4_ONLY: readonly IpAddress[] = ['192.0.0.170', '192.0.0.171'].map((text) => parseIp(text) as IpAddress)

/**
 * Decides who answers a question: this computer, a server of the local network, or the world. What belongs to this
 * computer or network by its meaning never goes out: if nothing here knows it, it does not exist.
 */
export function judgeLocally(
  question: DnsQuestion,
  hosts: readonly HostsTable[],
  options: LocalNamesOptions,
): LocalVerdict {
  const { name, type } = question
  const answer = (body: AnswerBody): LocalVerdict => ({ kind: 'answer', body })
  if (type === DNS_TYPES.any) return answer(anyBody(question))
  const use = specialUse(name)
  if (use === 'localhost') return answer(addressBody(question, LOOPBACK))
  const known = fromHosts(question, hosts)
  if (known !== undefined) return answer(known)
  const servers = serversOf(name, options.zones)
  if (servers !== undefined) return { kind: 'zone', servers }
  if (use === 'ipv4only' && name === 'ipv4only.arpa') return answer(addressBody(question, IPV4_ONLY))
  if (use === 'resolver') return answer(emptyBody(question, DNS_RCODES.noError))
  const refused = (options.canary && isCanary(name)) || (options.blockKnownDoh && isKnownDoh(name))
  if (use !== undefined || refused || isBareHost(question)) return answer(emptyBody(question, DNS_RCODES.noSuchName))
  return { kind: 'world' }
}

/** Who has an entry has it for all types: otherwise one family would come from here and the other from outside. */
function fromHosts(question: DnsQuestion, hosts: readonly HostsTable[]): AnswerBody | undefined {
  const address = question.type === DNS_TYPES.ptr ? addressOfReverse(question.name) : undefined
  for (const { addresses, names } of hosts) {
    const found = addresses.get(question.name)
    if (found !== undefined) return addressBody(question, found)
    const pointers = address && names.get(hostsKey(address))
    if (pointers !== undefined) return pointerBody(question, pointers)
  }
  return undefined
}

/** Of the longest zone that holds the name. */
function serversOf(name: string, zones: LocalNamesOptions['zones']): readonly NameServer[] | undefined {
  for (let at = 0; ; ) {
    const servers = zones.get(name.slice(at))
    if (servers !== undefined) return servers
    const dot = name.indexOf('.', at)
    if (dot < 0) return undefined
    at = dot + 1
  }
}

/** The name of a host without a domain: a printer, a router. No top-level domain has addresses (RFC 7085). */
function isBareHost({ name, type }: DnsQuestion): boolean {
  return name !== '' && !name.includes('.') && (type === DNS_TYPES.a || type === DNS_TYPES.aaaa)
}
