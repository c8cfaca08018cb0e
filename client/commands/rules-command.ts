import { basename } from 'node:path'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { Fault } from '../../shared/base/fault.ts'
import { readOptions } from '../../shared/base/options.ts'
import type { Locator } from '../../shared/geo/locator.ts'
import { openLocator } from '../geo-file.ts'
import { clientOptionsSchema } from '../options.ts'
import { mistakeText } from '../rules/mistake.ts'
import { noRules, type RuleSet } from '../rules/rule-set.ts'
import { loadRules } from '../rules/rules-file.ts'
import { explain, explanationText } from './explain.ts'
import { parseFlow } from './flow-text.ts'

export const RULES_USAGE = `spn rules check FILE                      mistakes of a rules file, or what is in it; or with --config FILE
spn rules explain APP DEST --config FILE  which rule decides, and why; or with --rules FILE; with --json as JSON
                                          APP: /usr/bin/curl, user:1000, unit:…, container:…, tag:…, script:…,
                                          interface:… (forwarded), several with commas, or ? for an unknown one
                                          DEST: example.com:443, 192.0.2.1:53/udp, 192.0.2.1/icmp;
                                          with --incoming from where, and the port of this computer`

/** What a command prints, and the status with which the program ends. */
export interface CommandResult {
  readonly text: string
  readonly status: 0 | 1
}

/** `spn rules …`. @throws Fault options-invalid for a wrong call */
export function rulesCommand([command, ...words]: readonly string[]): CommandResult {
  const first = words.findIndex((word) => word.startsWith('--'))
  const positional = first < 0 ? words : words.slice(0, first)
  const flags = first < 0 ? [] : words.slice(first)
  if (command === 'check') return check(positional, flags)
  if (command === 'explain') return explainFlow(positional, flags)
  throw wrongCall()
}

function check(positional: readonly string[], flags: readonly string[]): CommandResult {
  const { config } = parseCommandLine(flags, { required: [], optional: ['config'] })
  const [given, ...rest] = positional
  if (rest.length > 0 || (given === undefined) === (config === undefined)) throw wrongCall()
  const file = given ?? rulesFileOf(config as string)
  if (file === null)
    return { text: 'there is no rulesFile in the configuration: everything goes through the network', status: 0 }
  const { rules, mistakes, lists } = loadRules(file, openLater({}))
  if (rules === undefined) return { text: mistakes.map(mistakeText).join('\n'), status: 1 }
  const entries = [...lists].map(
    ([path, { size }]) => `, ${size} ${size === 1 ? 'entry' : 'entries'} in ${basename(path)}`,
  )
  return { text: `${file}: ${rules.ruleCount} rules${entries.join('')}, no mistakes`, status: 0 }
}

function explainFlow([app, destination, ...rest]: readonly string[], flags: readonly string[]): CommandResult {
  const json = flags.includes('--json')
  const direction = flags.includes('--incoming') ? 'in' : 'out'
  const named = parseCommandLine(
    flags.filter((flag) => flag !== '--json' && flag !== '--incoming'),
    { required: [], optional: ['config', 'rules'] },
  )
  if (app === undefined || destination === undefined || rest.length > 0) throw wrongCall()
  if ((named.config === undefined) === (named.rules === undefined)) throw wrongCall()
  const facts = parseFlow(app, destination, direction)
  const locator = openLater(named.config === undefined ? {} : readOptions(clientOptionsSchema, named.config).geo)
  const rules = rulesOf(named.rules ?? rulesFileOf(named.config as string), locator)
  const explanation = explain(rules, facts)
  return { text: json ? JSON.stringify(explanation, undefined, 2) : explanationText(explanation), status: 0 }
}

function rulesOf(file: string | null, locator: Locator): RuleSet {
  if (file === null) return noRules(locator)
  const { rules, mistakes } = loadRules(file, locator)
  if (rules === undefined) throw new Fault('options-invalid', { file, mistakes: mistakes.map(mistakeText).join('\n') })
  return rules
}

function rulesFileOf(config: string): string | null {
  return readOptions(clientOptionsSchema, config).rulesFile
}

/** The table of places is large, and most rules ask nothing of it. */
function openLater(files: Parameters<typeof openLocator>[0]): Locator {
  let opened: Locator | undefined
  return {
    locate: (address) => {
      opened ??= openLocator(files)
      return opened.locate(address)
    },
  }
}

function wrongCall(): Fault {
  return new Fault('options-invalid', { mistakes: RULES_USAGE })
}
