#!/usr/bin/env node
import { parseCommandLine } from '../shared/base/command-line.ts'
import { Fault } from '../shared/base/fault.ts'
import { parseOptions, readOptions } from '../shared/base/options.ts'
import { type Running, runProgram } from '../shared/base/program.ts'
import { systemRandom } from '../shared/base/random.ts'
import { askDaemon } from '../shared/control/control-client.ts'
import { directoriesByHostName } from '../shared/map/network.ts'
import { readNetworkFile } from '../shared/map/network-file.ts'
import { controlSocket } from './directory-commands.ts'
import { initDirectory, joinDirectories, makeDirectoryKey } from './init.ts'
import { KEY_KINDS, loadKey, makeKey, publicKeys } from './key-files.ts'
import { changeListFile, LIST_COMMANDS } from './list-commands.ts'
import { openDirectory } from './open-directory.ts'
import { type DirectoryOptions, directoryOptionsSchema } from './options.ts'
import { redisSchema } from './redis/redis-options.ts'
import {
  checkDirectoryRequest,
  directoryRequest,
  hubRequest,
  signHubRequest,
  signRequestSchema,
} from './sign-request.ts'

const USAGE = `expected a command:
spn-directory run --config FILE [--redis URL]
spn-directory status --config FILE      map, lists and hubs of the directory that runs
spn-directory hub ID --config FILE      what it thinks of a hub, and why that is not in the map
founding a network:
spn-directory init --state-dir DIR --network-file FILE --network NAME --name NAME --url URL [--test-network yes]
spn-directory key --state-dir DIR --public-file FILE --name NAME --url URL
spn-directory join --network-file FILE --network NAME --threshold K --parts FILE,FILE,... [--test-network yes]
keys, of which the public parts are shown:
spn-directory keys --state-dir DIR [--make operator|family]
lists, of hub:ID, family:NAME, operator:NAME, as:NUMBER or country:CC; the key is in --state-dir if nothing is said:
spn-directory ban|discourage|trust WHOM --config FILE --reason TEXT [--key-dir DIR]
spn-directory unlist WHOM --config FILE [--key-dir DIR]
what somebody new sends to those who are there, and their answer to it:
spn-directory sign-request hub --network-file FILE --hub ID
spn-directory sign-request directory --network-file FILE --state-dir DIR --name NAME --url URL
spn-directory sign --network-file FILE --request FILE [--key-dir DIR]`

const HOST_NAME_WARNING =
  '--url holds a host name, which clients that intercept may not be able to resolve: better give an address'

const [command = '', ...args] = process.argv.slice(2)

const COMMANDS: Readonly<Record<string, (words: readonly string[]) => unknown>> = {
  run,
  status: (words) => ask(words),
  hub: ([id = '', ...words]) => ask(words, { id }),
  init,
  key,
  join: joinParts,
  keys,
  ...Object.fromEntries(Object.keys(LIST_COMMANDS).map((name) => [name, changeLists])),
  'sign-request': signRequest,
  sign,
}

await runProgram('spn-directory', async () => {
  const action = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined
  if (action === undefined) throw new Fault('options-invalid', { mistakes: USAGE })
  const result = await action(args)
  if (command === 'run') return result as Running
  if (result !== undefined) console.log(typeof result === 'string' ? result : JSON.stringify(result, undefined, 2))
  return undefined
})

async function run(words: readonly string[]): Promise<Running> {
  const { config, redis } = parseCommandLine(words, { required: ['config'], optional: ['redis'] })
  const file = optionsOf(config)
  return openDirectory(redis === undefined ? file : { ...file, redis: parseOptions(redisSchema, redis, '--redis') })
}

function optionsOf(config: string | undefined): DirectoryOptions {
  return readOptions(directoryOptionsSchema, config as string)
}

function ask(words: readonly string[], more: object = {}): Promise<unknown> {
  const { config } = parseCommandLine(words, { required: ['config'] })
  return askDaemon(controlSocket(optionsOf(config).stateDir), command, more)
}

function init(words: readonly string[]): unknown {
  const required = ['state-dir', 'network-file', 'network', 'name', 'url']
  const flags = parseCommandLine(words, { required, optional: ['test-network'] })
  const file = initDirectory(
    {
      stateDir: flags['state-dir'] as string,
      networkFile: flags['network-file'] as string,
      network: flags.network as string,
      name: flags.name as string,
      url: flags.url as string,
      testNetwork: flags['test-network'] === 'yes',
    },
    systemRandom,
  )
  return warned(file, file.directories)
}

function key(words: readonly string[]): unknown {
  const flags = parseCommandLine(words, { required: ['state-dir', 'public-file', 'name', 'url'] })
  const part = makeDirectoryKey({
    stateDir: flags['state-dir'] as string,
    publicFile: flags['public-file'] as string,
    name: flags.name as string,
    url: flags.url as string,
  })
  return warned(part, [part])
}

function joinParts(words: readonly string[]): unknown {
  const required = ['network-file', 'network', 'threshold', 'parts']
  const flags = parseCommandLine(words, { required, optional: ['test-network'] })
  const file = joinDirectories(
    {
      networkFile: flags['network-file'] as string,
      network: flags.network as string,
      threshold: Number(flags.threshold),
      parts: (flags.parts as string).split(','),
      testNetwork: flags['test-network'] === 'yes',
    },
    systemRandom,
  )
  return warned(file, file.directories)
}

function keys(words: readonly string[]): unknown {
  const flags = parseCommandLine(words, { required: ['state-dir'], optional: ['make'] })
  const { make } = flags
  if (make !== undefined) {
    if (make !== 'operator' && make !== 'family') {
      throw new Fault('options-invalid', { mistakes: '--make: expected operator or family' })
    }
    makeKey(flags['state-dir'] as string, make)
  }
  return publicKeys(flags['state-dir'] as string)
}

function changeLists([subject = '', ...words]: readonly string[]): unknown {
  const verdict = LIST_COMMANDS[command]
  const required = verdict === undefined ? ['config'] : ['config', 'reason']
  const { config, reason = '', ...flags } = parseCommandLine(words, { required, optional: ['key-dir'] })
  const options = optionsOf(config)
  const networkId = readNetworkFile(options.networkFile).id
  const keyDir = flags['key-dir'] ?? options.stateDir
  const { number, entries } = changeListFile({ options, networkId, keyDir, verdict, subject, reason })
  return { number, entries: entries.length }
}

function signRequest([kind, ...words]: readonly string[]): unknown {
  if (kind === 'hub') {
    const flags = parseCommandLine(words, { required: ['network-file', 'hub'] })
    return hubRequest(readNetworkFile(flags['network-file'] as string), flags.hub as string)
  }
  if (kind !== 'directory')
    throw new Fault('options-invalid', { mistakes: 'expected `sign-request hub` or `sign-request directory`' })
  const flags = parseCommandLine(words, { required: ['network-file', 'state-dir', 'name', 'url'] })
  const network = readNetworkFile(flags['network-file'] as string)
  const own = loadKey(flags['state-dir'] as string, KEY_KINDS.directory)
  return directoryRequest(network, own, flags.name as string, flags.url as string)
}

/** Of a hub: what its configuration names as `family`. Of a directory: its part for the network file. */
function sign(words: readonly string[]): unknown {
  const flags = parseCommandLine(words, { required: ['network-file', 'request'], optional: ['key-dir'] })
  const network = readNetworkFile(flags['network-file'] as string)
  const request = readOptions(signRequestSchema, flags.request as string)
  if (request.kind === 'directory') return checkDirectoryRequest(request, network)
  const keyDir = flags['key-dir']
  if (keyDir === undefined)
    throw new Fault('options-invalid', { mistakes: '--key-dir: expected the folder of the key of the family' })
  return { family: signHubRequest(request, network, loadKey(keyDir, KEY_KINDS.family)) }
}

/** The same, after a warning for URLs that may not be found. */
function warned(content: object, directories: Parameters<typeof directoriesByHostName>[0]['directories']): object {
  if (directoriesByHostName({ directories }).length > 0) console.error(`spn-directory: ${HOST_NAME_WARNING}`)
  return content
}
