import { type ParseArgsConfig, parseArgs } from 'node:util'
import { Fault } from './fault.ts'

type Flags = NonNullable<ParseArgsConfig['options']>

/**
 * The flags of a command. Every one takes a value but the switches, which are `yes` or not there.
 * @throws Fault options-invalid for an unknown flag, a missing value, or words that belong to no flag
 */
export function parseCommandLine(
  args: readonly string[],
  names: {
    readonly required: readonly string[]
    readonly optional?: readonly string[]
    readonly switches?: readonly string[]
  },
): Record<string, string | undefined> {
  const optional = names.optional ?? []
  const options: Flags = Object.fromEntries([
    ...[...names.required, ...optional].map((name) => [name, { type: 'string' }]),
    ...(names.switches ?? []).map((name) => [name, { type: 'boolean' }]),
  ])
  let values: Record<string, unknown>
  try {
    values = parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values
  } catch (cause) {
    throw new Fault('options-invalid', { mistakes: (cause as Error).message.split('. ')[0] ?? '' }, cause)
  }
  const missing = names.required.filter((name) => values[name] === undefined)
  if (missing.length > 0) {
    throw new Fault('options-invalid', { mistakes: missing.map((name) => `--${name}: expected a value`).join('\n') })
  }
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value === true ? 'yes' : `${value}`]))
}
