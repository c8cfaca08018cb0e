import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Fault } from './fault.ts'
import { parseIp, parseRange } from './ip-address.ts'

/**
 * Checks configuration against a schema. All mistakes are reported together, each with its path and what is expected,
 * one to a line in `details.mistakes`.
 * @throws Fault options-invalid
 */
export function parseOptions<Schema extends z.ZodType>(schema: Schema, input: unknown, file: string): z.output<Schema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  throw new Fault('options-invalid', { file, mistakes: result.error.issues.flatMap(describeIssue).join('\n') })
}

/** Reads a JSON file and checks it. @throws Fault options-invalid */
export function readOptions<Schema extends z.ZodType>(schema: Schema, file: string): z.output<Schema> {
  return parseOptions(schema, readJson(file), file)
}

/** @throws Fault options-invalid if the file can not be read or is not JSON */
export function readJson(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : 'it can not be read'
    throw new Fault('options-invalid', { file, mistakes: reason }, cause)
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Fault('options-invalid', { file, mistakes: `it is not JSON: ${(cause as Error).message}` }, cause)
  }
}

/** `192.0.2.1:443` or `[2001:db8::1]:443`. */
export const endpointSchema = z.string().transform((text, context) => {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const ip = parseIp(match?.[1] ?? match?.[2] ?? '')
  const port = Number(match?.[3])
  if (ip !== undefined && port <= 65535) return { ip, port }
  context.addIssue({ code: 'custom', message: 'expected ADDRESS:PORT, like 192.0.2.1:443 or [2001:db8::1]:443' })
  return z.NEVER
})

/** `198.18.0.0/15`, `2001:db8::/32`, or a single address. */
export const rangeSchema = z.string().transform((text, context) => {
  const range = parseRange(text)
  if (range !== undefined) return range
  context.addIssue({ code: 'custom', message: 'expected a range of addresses, like 198.18.0.0/15' })
  return z.NEVER
})

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.length === 0 ? '' : `${pathText(issue.path)}: `
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${path}unknown option "${key}"`)
  return [`${path}${issue.message.replace(/^Invalid input: /, '')}`]
}

/** `directories[0].url` */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}
