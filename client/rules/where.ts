import { domainToASCII } from 'node:url'
import { formatRange, type IpRange, parseIp, parseRange } from '../../shared/base/ip-address.ts'
import { isHostName } from '../../shared/cell/target.ts'
import type { PlaceMatch } from '../navigator/wish.ts'
import { FLOW_SCOPES, type FlowScope, plainName } from './flow-facts.ts'
import type { Mistaken } from './mistake.ts'
import { parsePlaceMatch } from './place-match.ts'
import { Wildcard } from './wildcard.ts'

/** Where a rule applies: one destination, or a kind of them. */
export type Where =
  | { readonly kind: 'any' }
  | { readonly kind: 'range'; readonly range: IpRange }
  | PlaceMatch
  | { readonly kind: 'scope'; readonly scopes: readonly FlowScope[] }
  | { readonly kind: 'list'; readonly list: string }
  /** One name; with `below` also all names below it. */
  | { readonly kind: 'name'; readonly name: string; readonly below: boolean }
  | { readonly kind: 'names'; readonly names: Wildcard }

/** What users of other firewalls call scopes. */
const SCOPES: ReadonlyMap<string, readonly FlowScope[]> = new Map<string, readonly FlowScope[]>([
  ...FLOW_SCOPES.map((scope) => [scope, [scope]] as const),
  ['internet', ['public']],
  ['lan', ['private', 'link-local']],
  ['localhost', ['loopback']],
])

/** The name of a list file in rules. */
export const LIST_NAME = /^[\w-]{1,64}$/

/**
 *     *                               everything
 *     192.0.2.1  192.0.2.0/24         an address, a network; of IPv6 alike
 *     DE  C:DE                        a country
 *     C:EU                            a continent: AF AN AS EU NA OC SA (so Namibia is NA, and C:NA is North America)
 *     AS123                           an autonomous system
 *     public  LAN  LAN,loopback       scopes, those of FLOW_SCOPES or Internet, LAN, Localhost
 *     L:ads                           a list file
 *     example.com                     this name alone
 *     .example.com                    it and all names below it
 *     *.example.com  example.*  *ad*  names, `*` for any characters
 */
export function parseWhere(text: string): Where | Mistaken {
  if (text === '*') return { kind: 'any' }
  return parseNumbers(text) ?? parsePlaceMatch(text) ?? parseList(text) ?? parseScopes(text) ?? parseNames(text)
}

/** Undefined for what is not meant to be an address or network. */
function parseNumbers(text: string): Where | Mistaken | undefined {
  const range = parseRange(text)
  if (range !== undefined) return { kind: 'range', range }
  const [address = '', prefix] = text.split('/', 2)
  const ip = parseIp(address)
  if (ip === undefined) {
    const isMeant = /^[\d.]+(\/\d*)?$/.test(text) || (/^\[?[\da-f:.]*:[\da-f:.]*:/i.test(text) && !/^C:/i.test(text))
    return isMeant
      ? { mistake: `"${text}" is no address; write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32` }
      : undefined
  }
  const bits = Number(prefix)
  if (!/^\d{1,3}$/.test(prefix ?? '') || bits > ip.length * 8)
    return { mistake: `"${text}" is no network; write /0 to /${ip.length * 8} behind the address` }
  const first = ip.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))))
  return { mistake: `"${text}" has bits behind its prefix; write ${formatRange({ address: first, prefix: bits })}` }
}

function parseList(text: string): Where | Mistaken | undefined {
  if (!/^L:/i.test(text)) return undefined
  const list = text.slice(2)
  return LIST_NAME.test(list) ? { kind: 'list', list } : { mistake: `"${text}" names no list; write it like L:ads` }
}

function parseScopes(text: string): Where | undefined {
  const scopes = text.split(',').map((name) => SCOPES.get(name.toLowerCase()))
  return scopes.every((scope) => scope !== undefined)
    ? { kind: 'scope', scopes: [...new Set(scopes.flat())] }
    : undefined
}

function parseNames(text: string): Where | Mistaken {
  const plain = plainName(text)
  const below = plain.startsWith('.')
  const name = below ? plain.slice(1) : plain
  if (!below && /^[a-z]{2}$/.test(name))
    return { mistake: `"${text}" is no whole name; write C:${name.toUpperCase()} for a country` }
  if (isHostName(below ? text.slice(1) : text)) return { kind: 'name', name, below }
  // A name with stars in it is one if it is one without them.
  const bare = plain.replaceAll('*', 'a')
  if (plain.includes('*') && !below && isHostName(bare.startsWith('.') ? bare.slice(1) : bare)) {
    return { kind: 'names', names: new Wildcard(plain) }
  }
  return { mistake: `"${text}" is no destination; ${insteadOf(text)}` }
}

function insteadOf(text: string): string {
  if (text.includes('://')) return 'write the name alone, like example.com'
  const [, name, port] = /^(.+):(\d+)$/.exec(text) ?? []
  if (name !== undefined) return `write the port behind it, like ${name} TCP/${port}`
  const ascii = domainToASCII(text.replace(/^\./, ''))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  if (!/^[\x00-\x7f]*$/.test(text) && isHostName(ascii)) return `write ${text.startsWith('.') ? '.' : ''}${ascii}`
  return 'write a name, an address, a network, C:DE, C:EU, AS123, LAN, L:NAME or *'
}
