import { Fault } from '../../shared/base/fault.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { isHostName } from '../../shared/cell/target.ts'
import { type AppFacts, type FlowFacts, flowScope, PROTOCOLS, type Protocol, plainName } from '../rules/flow-facts.ts'

/** Who and where, as people write it on a command line. @throws Fault options-invalid */
export function parseFlow(app: string, destination: string, direction: 'out' | 'in'): FlowFacts {
  const { from, app: facts } = parseApp(app)
  const way = from === undefined ? ({ direction } as const) : ({ direction: 'forwarded', interface: from } as const)
  return { ...way, app: facts, ...parseDestination(destination) }
}

const APP_PARTS = /,(?=(?:user|unit|container|tag|script|interface):)/

function parseApp(text: string): { readonly app: AppFacts | undefined; readonly from: string | undefined } {
  const app: Record<string, string | number> = {}
  let from: string | undefined
  for (const part of text === '?' ? [] : text.split(APP_PARTS)) {
    const [, kind = '', value = ''] = /^(user|unit|container|tag|script|interface):(.+)$/s.exec(part) ?? []
    if (part.startsWith('/')) app.path = part
    else if (kind === 'interface') from = value
    else if (kind === 'user') app[/^\d+$/.test(value) ? 'uid' : 'user'] = /^\d+$/.test(value) ? Number(value) : value
    else if (kind !== '') app[kind] = value
    else
      throw mistaken(`APP: "${part}" says not which; write a whole path like /usr/bin/curl, user:1000, unit:NAME or ?`)
  }
  return { app: Object.keys(app).length === 0 ? undefined : app, from }
}

function parseDestination(
  text: string,
): Pick<FlowFacts, 'protocol' | 'address' | 'port' | 'name' | 'nameGiven' | 'scope'> {
  const [end = '', word = 'tcp', ...rest] = text.split('/')
  const protocol = PROTOCOLS.find((one) => one === word.toLowerCase())
  if (protocol === undefined || rest.length > 0)
    throw mistaken(`DEST: "${text}" has no known protocol; write ${PROTOCOLS.join(', ')} behind the slash`)
  const { host, port } = splitEnd(end, protocol)
  const address = parseIp(host)
  if (address === undefined && !isHostName(host))
    throw mistaken(`DEST: "${host}" is neither a name nor an address; write it like example.com:443`)
  const named = address === undefined ? { name: plainName(host), nameGiven: true } : { address }
  return { protocol, port, ...named, scope: flowScope(address) }
}

function splitEnd(end: string, protocol: Protocol): { readonly host: string; readonly port: number } {
  if (protocol === 'icmp' || protocol === 'other') return { host: end, port: 0 }
  const [, host = '', digits] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(end) ?? []
  const port = Number(digits)
  if (port >= 1 && port <= 65_535) return { host, port }
  throw mistaken(`DEST: "${end}" has no port; write it like example.com:443 or [2001:db8::1]:443`)
}

function mistaken(mistake: string): Fault {
  return new Fault('options-invalid', { mistakes: mistake })
}
