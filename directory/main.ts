#!/usr/bin/env node
import { parseCommandLine } from '../shared/base/command-line.ts'
import { Fault } from '../shared/base/fault.ts'
import { parseOptions, readOptions } from '../shared/base/options.ts'
import { type Running, runProgram } from '../shared/base/program.ts'
import { systemRandom } from '../shared/base/random.ts'
import { directoriesByHostName } from '../shared/map/network.ts'
import { initDirectory, joinDirectories, makeDirectoryKey } from './init.ts'
import { openDirectory } from './open-directory.ts'
import { directoryOptionsSchema } from './options.ts'
import { redisSchema } from './redis/redis-options.ts'

const USAGE = `expected a command:
spn-directory run --config FILE [--redis URL]
spn-directory init --state-dir DIR --network-file FILE --network NAME --name NAME --url URL [--test-network yes]
spn-directory key --state-dir DIR --public-file FILE --name NAME --url URL
spn-directory join --network-file FILE --network NAME --threshold K --parts FILE,FILE,... [--test-network yes]`

const HOST_NAME_WARNING =
  '--url holds a host name, which clients that intercept may not be able to resolve: better give an address'

const [command, ...args] = process.argv.slice(2)

await runProgram('spn-directory', async () => {
  if (command === 'run') return run(args)
  if (command === 'init') return init(args)
  if (command === 'key') return key(args)
  if (command === 'join') return joinParts(args)
  throw new Fault('options-invalid', { mistakes: USAGE })
})

async function run(words: readonly string[]): Promise<Running> {
  const { config, redis } = parseCommandLine(words, { required: ['config'], optional: ['redis'] })
  const file = readOptions(directoryOptionsSchema, config as string)
  const options = redis === undefined ? file : { ...file, redis: parseOptions(redisSchema, redis, '--redis') }
  return openDirectory(options)
}

function init(words: readonly string[]): undefined {
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
  show(file, file.directories)
}

function key(words: readonly string[]): undefined {
  const flags = parseCommandLine(words, { required: ['state-dir', 'public-file', 'name', 'url'] })
  const part = makeDirectoryKey({
    stateDir: flags['state-dir'] as string,
    publicFile: flags['public-file'] as string,
    name: flags.name as string,
    url: flags.url as string,
  })
  show(part, [part])
}

function joinParts(words: readonly string[]): undefined {
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
  show(file, file.directories)
}

function show(content: object, directories: Parameters<typeof directoriesByHostName>[0]['directories']): void {
  console.log(JSON.stringify(content, undefined, 2))
  if (directoriesByHostName({ directories }).length > 0) console.error(`spn-directory: ${HOST_NAME_WARNING}`)
}
