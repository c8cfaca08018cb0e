/**
 * `npm run chaos -- [--times N] [--seed TEXT]`: three replicas of one directory on Redis with Sentinel, of which the one that
 * publishes, or the primary of Redis, is killed N times at random moments. One JSON line; ends with 1 if a descriptor that
 * was accepted is lost, an epoch has two maps, a map does not name the one before it, or two epochs in a row have none.
 */
import { z } from 'zod'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { chaos } from './chaos-run.ts'

const flagsSchema = z.strictObject({
  times: z.coerce.number().int().min(1).max(10_000).default(100),
  seed: z.string().min(1).default(`${Date.now()}`),
})

const words = parseCommandLine(process.argv.slice(2), { required: [], optional: ['times', 'seed'] })
const { times, seed } = parseOptions(flagsSchema, { ...words }, 'command line')
const stopping = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort())
const result = await chaos(times, seed, (line) => process.stderr.write(`${line}\n`), stopping.signal)
console.log(JSON.stringify(result))
const { lost, twoValid, forks, mostSkipped } = result
if (lost + twoValid + forks > 0 || mostSkipped > 1) process.exitCode = 1
