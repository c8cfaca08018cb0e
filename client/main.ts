#!/usr/bin/env node
import { systemClock } from '../shared/base/clock.ts'
import { parseCommandLine } from '../shared/base/command-line.ts'
import { asFault, Fault, isFault } from '../shared/base/fault.ts'
import { createLog, faultFields, type Log } from '../shared/base/log.ts'
import { readOptions } from '../shared/base/options.ts'
import { type Running, runProgram } from '../shared/base/program.ts'
import { systemRandom } from '../shared/base/random.ts'
import { askDaemon, CHANGE_MS, daemonAnswers } from '../shared/control/control-client.ts'
import { directHttp } from '../shared/map/direct-http.ts'
import { readNetworkFile } from '../shared/map/network-file.ts'
import { Client, type ClientParts } from './client.ts'
import { clientFiles } from './client-files.ts'
import { IDENTITY_USAGE } from './commands/identity-command.ts'
import { ROUTE_USAGE, type RouteAnswer, routeAnswerText } from './commands/route-command.ts'
import { RULES_USAGE, rulesCommand } from './commands/rules-command.ts'
import { daemonProcess, endDaemon } from './control/daemon-pid.ts'
import { openLocator } from './geo-file.ts'
import type { RuleOptions } from './interception/rules.ts'
import { hurry, MAIN_NICE } from './native/hurry.ts'
import { type ClientOptions, clientOptionsSchema } from './options.ts'
import { underServiceManager } from './service-manager.ts'

const USAGE = `expected a command, each with --config FILE:
spn run                              the daemon
spn run --keep-rules                 the same; its end leaves the computer blocked (for a service that is restarted)
spn status                           what protects this computer and why not; home hub, map, circuits
spn connections                      connections with their paths, as JSON
spn pause --minutes N                lets everything pass directly for so long
spn resume                           ends a pause before its time
spn portal --minutes N ADDRESS|NAME  opens web pages there for so long, to log in to a network
spn off                              takes the firewall rules away that a killed daemon left behind; not while one runs
spn off --really                     ends the daemon first, also one that is stuck
spn block                            loads the blocking rules without a daemon; also where the configuration is broken
${RULES_USAGE}
${ROUTE_USAGE}
${IDENTITY_USAGE}`

const [command = '', ...args] = process.argv.slice(2)

interface CommandFlags {
  readonly required?: string[]
  readonly switches?: string[]
  readonly optional?: string[]
  /** Its last word is no flag. */
  readonly takesWord?: boolean
  /** The daemon changes the firewall for it. */
  readonly changes?: boolean
}

/** The flags that a command takes besides --config. */
const COMMANDS: Readonly<Record<string, CommandFlags>> = {
  run: { switches: ['keep-rules'] },
  status: {},
  connections: {},
  pause: { required: ['minutes'], changes: true },
  resume: { changes: true },
  portal: { required: ['minutes'], changes: true, takesWord: true },
  identity: { optional: ['app', 'site'] },
  route: { optional: ['app'], switches: ['json'], takesWord: true },
  off: { switches: ['really'] },
  block: {},
}

await runProgram('spn', async () => {
  if (command === 'rules') {
    const { text, status } = rulesCommand(args)
    console.log(text)
    process.exitCode = status
    return undefined
  }
  const flags = COMMANDS[command]
  if (flags === undefined) throw new Fault('options-invalid', { mistakes: USAGE })
  const to = flags.takesWord === true ? takeWord() : ''
  const values = parseCommandLine(args, { ...flags, required: ['config', ...(flags.required ?? [])] })
  if (command === 'block') return block(values.config as string)
  const options = readOptions(clientOptionsSchema, values.config as string)
  if (command === 'run') return run(options, values['keep-rules'] === 'yes')
  if (command === 'off') return off(options, values.really === 'yes')
  const ask = (more: object): Promise<unknown> =>
    askDaemon(
      clientFiles(options.stateDir).controlSocket,
      command,
      { ...more, minutes: Number(values.minutes) },
      flags.changes === true ? CHANGE_MS : undefined,
    )
  if (command === 'route') {
    const route = (await ask({ app: values.app, destination: to })) as RouteAnswer
    console.log(values.json === 'yes' ? JSON.stringify(route, undefined, 2) : routeAnswerText(route))
    return undefined
  }
  const answer = command === 'portal' ? await portal(to, ask) : await ask({ app: values.app, site: values.site })
  console.log(JSON.stringify(answer, undefined, 2))
  return undefined
})

/** The word that is no flag, before all flags or behind them. */
function takeWord(): string {
  return (args[0]?.startsWith('--') === false ? args.shift() : args.pop()) ?? ''
}

async function run(options: ClientOptions, keepRules: boolean): Promise<Running> {
  const log = createLog(options.logLevel)
  const client = new Client(options, {
    keepRules,
    network: readNetworkFile(options.networkFile),
    files: clientFiles(options.stateDir),
    locator: openLocator(options.geo),
    clock: systemClock,
    wallClock: Date.now,
    random: systemRandom,
    log,
    directHttp,
    apps: await appFinder(log),
    intercept: await interceptionOf(options, log),
  })
  return underServiceManager(client, process.env.NOTIFY_SOCKET, log)
}

/** Without the addon, which the proxies do not need, nobody's app is known. */
async function appFinder(log: Log): Promise<ClientParts['apps']> {
  if (process.platform !== 'linux') return undefined
  try {
    const { AppFinder } = await import('./apps/app-finder.ts')
    return new AppFinder({ onFailure: (fault) => log.error('apps are unknown from now on', faultFields(fault)) })
  } catch (error) {
    log.warn('apps are unknown: they cannot be looked for', faultFields(asFault(error)))
    return undefined
  }
}

/** The interception of this system; its code is loaded only where it is wanted. */
async function interceptionOf(options: ClientOptions, log: Log): Promise<ClientParts['intercept']> {
  if (options.intercept === null) return undefined
  if (process.platform !== 'linux')
    throw new Fault('program-missing', { interception: `none for ${process.platform} yet` })
  const { LinuxInterception } = await import('./interception/interception.ts')
  hurry(MAIN_NICE)
  const { GuardedFirewall } = await import('./protection/guarded-firewall.ts')
  const rules = rulesFor(options)
  return (handlers) =>
    new LinuxInterception(rules, {
      firewall: new GuardedFirewall(rules, log.part('firewall')),
      ...handlers,
      onFailure: (fault) => {
        log.error('interception failed: this computer stays cut off', faultFields(fault))
        handlers.onFailure(fault)
      },
    })
}

function rulesFor({ intercept }: Pick<ClientOptions, 'intercept'>): RuleOptions {
  if (intercept === null)
    throw new Fault('options-invalid', { mistakes: 'intercept: expected to be set for this command' })
  const { queue: queueNum, port: redirectPort, own, direct: directNetworks } = intercept
  return { queueNum, redirectPort, own, directNetworks, directResolvers: [] }
}

async function off(options: ClientOptions, really: boolean): Promise<undefined> {
  rulesFor(options)
  await checkNoDaemon(options, really)
  const { unblock } = await import('./protection/rule-commands.ts')
  await unblock()
  return undefined
}

async function block(config: string): Promise<undefined> {
  const options = await orBlocked(() => readOptions(clientOptionsSchema, config))
  const rules = rulesFor(options)
  await orBlocked(async () => {
    await checkNoDaemon(options, false)
    const { block: load } = await import('./protection/rule-commands.ts')
    await load(rules)
  })
  return undefined
}

/** What fails blocks all the more: at the boot a mistake in a file must not mean an open computer. */
async function orBlocked<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (isFault(error, 'daemon-running')) throw error
    const { block: load } = await import('./protection/rule-commands.ts')
    await load(rulesFor({ intercept: clientOptionsSchema.shape.intercept.parse({}) }))
    throw error
  }
}

async function checkNoDaemon({ stateDir }: ClientOptions, end: boolean): Promise<void> {
  const { controlSocket, pidFile } = clientFiles(stateDir)
  if (end) return endDaemon(pidFile)
  if (daemonProcess(pidFile) !== undefined || (await daemonAnswers(controlSocket)))
    throw new Fault('daemon-running', { repair: 'end it with SIGTERM, which takes the rules away too' })
}

async function portal(to: string, ask: (more: object) => Promise<unknown>): Promise<unknown> {
  const { openPortal } = await import('./protection/portal-target.ts')
  return openPortal(to, ask)
}
