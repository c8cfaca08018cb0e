import { PROTOCOLS, type Protocol } from './flow-facts.ts'
import { isMistaken, type Mistaken } from './mistake.ts'
import type { PortRange, Rule, Verdict } from './rule.ts'
import { parseWhere } from './where.ts'

/** What rules are for: `out` also for what is forwarded. */
export type RuleKind = 'out' | 'in'

/** The words of verdicts: what may go out is tunnelled, what may come in is let in. */
const WORDS: Readonly<Record<RuleKind, ReadonlyMap<string, Verdict>>> = {
  out: new Map<string, Verdict>([
    ['+', 'tunnel'],
    ['-', 'block'],
    ['tunnel', 'tunnel'],
    ['direct', 'direct'],
    ['block', 'block'],
    ['drop', 'drop'],
  ]),
  in: new Map<string, Verdict>([
    ['+', 'direct'],
    ['-', 'block'],
    ['allow', 'direct'],
    ['block', 'block'],
    ['drop', 'drop'],
  ]),
}
const MAX_PORT = 65_535

/** Undefined for a word that is none. `+` and `-` are words too. */
export function verdictOf(word: string, kind: RuleKind): Verdict | undefined {
  return WORDS[kind].get(word)
}

export function verdictWords(kind: RuleKind): string {
  return [...WORDS[kind].keys()].filter((word) => /\w/.test(word)).join(', ')
}

/**
 * A rule in one line.
 *
 *     + .example.com TCP/443        (+|-|tunnel|direct|block|drop) WHERE [PROTOCOL[/PORT[-PORT]]] [# comment]
 */
export function parseRuleText(text: string, kind: RuleKind): Omit<Rule, 'line'> | Mistaken {
  const bare = text.replace(/(^|\s)#.*$/s, '').trim()
  const [word = '', where, service, ...rest] = bare.split(/\s+/)
  const verdict = verdictOf(word, kind)
  if (verdict === undefined) return { mistake: `"${bare}" says not what to do; ${firstWord(word, kind)}` }
  if (where === undefined) return { mistake: `"${bare}" says not where; write ${word} * for everywhere` }
  if (rest.length > 0) return { mistake: `"${rest.join(' ')}" is too much; write one rule to a line` }
  const to = parseWhere(where)
  if (isMistaken(to)) return to
  const services = service === undefined ? { protocols: undefined, ports: undefined } : parseService(service)
  return isMistaken(services) ? services : { verdict, wish: {}, to: [to], ...services, text: bare }
}

function firstWord(word: string, kind: RuleKind): string {
  const signed = /^[+-]./.test(word)
  if (signed) return `write a blank behind ${word[0]}`
  const [yes, no] = kind === 'out' ? ['tunnel', 'block'] : ['let in', 'block']
  return `begin with + (${yes}), - (${no}) or one of ${verdictWords(kind)}`
}

/** `TCP`, `TCP/443`, `UDP/6000-6100`; a star for any protocol. */
function parseService(text: string): Pick<Rule, 'protocols' | 'ports'> | Mistaken {
  const [name = '', ports, ...rest] = text.split('/')
  if (rest.length > 0) return { mistake: `"${text}" is no protocol and port; write it like TCP/443` }
  const protocol = name === '*' ? undefined : parseProtocol(name)
  if (protocol !== undefined && typeof protocol === 'object') return protocol
  const protocols = protocol === undefined ? undefined : [protocol]
  if (ports === undefined) return { protocols, ports: undefined }
  const range = parsePorts(ports)
  if (isMistaken(range)) return range
  return checkPorts(protocols) ?? { protocols, ports: [range] }
}

/** Any letters will do: `TCP`, `tcp`. */
export function parseProtocol(text: string): Protocol | Mistaken {
  const name = text.toLowerCase()
  const protocol = PROTOCOLS.find((one) => one === name)
  if (protocol !== undefined) return protocol
  const instead = /^\d+(-\d+)?$/.test(text)
    ? `write it behind a protocol, like TCP/${text}`
    : 'write TCP, UDP, ICMP, OTHER or *'
  return { mistake: `"${text}" is no protocol; ${instead}` }
}

/** `443`, `6000-6100`. */
export function parsePorts(text: string): PortRange | Mistaken {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const [from, to] = [Number(first), Number(last)]
  if (first === undefined || from < 1 || to > MAX_PORT)
    return { mistake: `"${text}" is no port; write 1 to ${MAX_PORT}, or a range like 6000-6100` }
  return from <= to ? { from, to } : { mistake: `"${text}" is no range of ports; write ${to}-${from}` }
}

/** Only TCP and UDP have ports. */
export function checkPorts(protocols: readonly Protocol[] | undefined): Mistaken | undefined {
  const without = protocols?.find((protocol) => protocol !== 'tcp' && protocol !== 'udp')
  return without === undefined
    ? undefined
    : { mistake: `${without.toUpperCase()} has no ports; write ${without.toUpperCase()} alone` }
}
