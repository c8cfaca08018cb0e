#!/usr/bin/env node
import { systemClock } from '../shared/base/clock.ts'
import { parseCommandLine } from '../shared/base/command-line.ts'
import { asFault, Fault } from '../shared/base/fault.ts'
import { createLog, faultFields, type Log } from '../shared/base/log.ts'
import { readOptions } from '../shared/base/options.ts'
import { type Running, runProgram } from '../shared/base/program.ts'
import { systemRandom } from '../shared/base/random.ts'
import { directHttp } from '../shared/map/direct-http.ts'
import { readNetworkFile } from '../shared/map/network-file.ts'
import { Client, type ClientParts } from './client.ts'
import { clientFiles } from './client-files.ts'
import { RULES_USAGE, rulesCommand } from './commands/rules-command.ts'
import { askDaemon, daemonAnswers } from './control/control-client.ts'
import { openLocator } from './geo-file.ts'
import { hurry, MAIN_NICE } from './native/hurry.ts'
import { type ClientOptions, clientOptionsSchema } from './options.ts'

const USAGE = `expected a command:
spn run --config FILE           the daemon
spn status --config FILE        home hub, map, circuits
spn connections --config FILE   connections with their paths, as JSON
spn off --config FILE           takes the firewall rules away that a killed daemon left behind; not while one runs
${RULES_USAGE}`

const [command, ...args] = process.argv.slice(2)

await runProgram('spn', async () => {
  if (command === 'rules') {
    const { text, status } = rulesCommand(args)
    console.log(text)
    process.exitCode = status
    return undefined
  }
  if (!['run', 'status', 'connections', 'off'].includes(command ?? '')) {
    throw new Fault('options-invalid', { mistakes: USAGE })
  }
  const { config } = parseCommandLine(args, { required: ['config'] })
  const options = readOptions(clientOptionsSchema, config as string)
  if (command === 'run') return run(options)
  if (command === 'off') return off(options)
  const answer = await askDaemon(clientFiles(options.stateDir).controlSocket, command as string)
  console.log(JSON.stringify(answer, undefined, 2))
  return undefined
})

async function run(options: ClientOptions): Promise<Running> {
  const log = createLog(options.logLevel)
  return new Client(options, {
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
  const { intercept } = options
  if (intercept === null) return undefined
  if (process.platform !== 'linux')
    throw new Fault('program-missing', { interception: `none for ${process.platform} yet` })
  const { LinuxInterception } = await import('./interception/interception.ts')
  hurry(MAIN_NICE)
  return (handlers) =>
    new LinuxInterception(
      { queueNum: intercept.queue, redirectPort: intercept.port, own: intercept.own, directNetworks: intercept.direct },
      {
        ...handlers,
        onFailure: (fault) => log.error('interception failed: this computer stays cut off', faultFields(fault)),
      },
    )
}

async function off({ intercept, stateDir }: ClientOptions): Promise<undefined> {
  if (intercept === null)
    throw new Fault('options-invalid', { mistakes: 'intercept: expected to be set for this command' })
  if (await daemonAnswers(clientFiles(stateDir).controlSocket))
    throw new Fault('daemon-running', { repair: 'end it with SIGTERM, which takes the rules away too' })
  const { LinuxInterception } = await import('./interception/interception.ts')
  await LinuxInterception.removeRules()
  return undefined
}
