import { z } from 'zod'
import { formatRange, parseRange } from '../base/ip-address.ts'
import type { ExitRule } from './exit-policy.ts'

/**
 * One rule as operators write it: `accept *:443`, `reject *:6881-6889`, `reject 203.0.113.0/24:*`,
 * `accept [2001:db8::/32]:80`.
 */
export const exitRuleSchema = z.string().transform((text, context): ExitRule => {
  const match = /^(accept|reject) (\*|\[[^\]]+\]|[^:[\]]+):(\*|\d{1,5}(?:-\d{1,5})?)$/.exec(text.trim())
  const rule = match === null ? undefined : ruleOf(match[1] as string, match[2] as string, match[3] as string)
  if (rule !== undefined) return rule
  context.addIssue({ code: 'custom', message: 'expected "accept|reject ADDRESSES:PORTS", like "reject *:25"' })
  return z.NEVER
})

/** The same the other way. */
export function formatExitRule({ action, range, fromPort, toPort }: ExitRule): string {
  const addresses = range === undefined ? '*' : formatRange(range)
  const ports = fromPort === 1 && toPort === 65535 ? '*' : fromPort === toPort ? `${fromPort}` : `${fromPort}-${toPort}`
  return `${action} ${addresses.includes(':') ? `[${addresses}]` : addresses}:${ports}`
}

function ruleOf(action: string, addresses: string, ports: string): ExitRule | undefined {
  const [from, to] = ports === '*' ? [1, 65535] : ports.split('-').map(Number)
  const fromPort = from ?? 0
  const toPort = to ?? fromPort
  if (fromPort < 1 || toPort > 65535 || toPort < fromPort) return undefined
  const base = { action: action as ExitRule['action'], fromPort, toPort }
  if (addresses === '*') return base
  const range = parseRange(addresses.replace(/^\[|\]$/g, ''))
  return range === undefined ? undefined : { ...base, range }
}
