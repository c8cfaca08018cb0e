/**
 * `npm run net -- --hubs N --socks HOST:PORT [--hops N] [--transport noise]`: a whole network as plain processes on
 * loopback, for development and measurements. Prints one JSON line with every pid and port when it is ready; SIGTERM
 * or ctrl-C ends it all, also while it starts.
 */
import { z } from 'zod'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { formatIp } from '../../shared/base/ip-address.ts'
import { LOG_LEVELS } from '../../shared/base/log.ts'
import { endpointSchema, parseOptions } from '../../shared/base/options.ts'
import { runProgram } from '../../shared/base/program.ts'
import { LINK_TRANSPORTS } from '../../shared/map/link-address.ts'
import { ProgramEnded } from '../support/program.ts'
import { LoopbackNetwork } from './loopback-network.ts'

const flagsSchema = z.strictObject({
  hubs: z.coerce.number().int().min(3).max(200).default(4),
  socks: endpointSchema.default({ ip: Uint8Array.of(127, 0, 0, 1), port: 0 }),
  hops: z.coerce.number().int().min(1).max(4).default(3),
  transport: z.enum(LINK_TRANSPORTS).default('tls'),
  log: z.enum(LOG_LEVELS).default('info'),
})

await runProgram('net', async () => {
  const words = parseCommandLine(process.argv.slice(2), {
    required: [],
    optional: ['hubs', 'socks', 'hops', 'transport', 'log'],
  })
  const flags = parseOptions(flagsSchema, { ...words }, 'command line')
  const socks = { host: formatIp(flags.socks.ip), port: flags.socks.port }
  const { hubs, hops, transport, log: logLevel } = flags
  const network = new LoopbackNetwork({ hubs, socks, hops, transport, logLevel })
  return { start: () => startNetwork(network), close: () => network.stop() }
})

/** A program that does not come up has said itself why not. */
async function startNetwork(network: LoopbackNetwork): Promise<void> {
  try {
    console.log(JSON.stringify(await network.start()))
  } catch (error) {
    await network.stop()
    if (!(error instanceof ProgramEnded) || error.said === '') throw error
    process.stderr.write(`${error.said}\n`)
    process.exit(1)
  }
}
