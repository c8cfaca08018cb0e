/**
 * `npm run storm -- [--transitions N] [--seed TEXT]`: a client that is started, stopped, killed, stalled, flushed, moved and
 * paused, while programs want out all the time. One JSON line; ends with 1 if anything left outside of the promise.
 */
import { z } from 'zod'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { storm } from './storm-run.ts'

const flagsSchema = z.strictObject({
  transitions: z.coerce.number().int().min(1).max(1e6).default(1_000),
  seed: z.string().min(1).default(`${Date.now()}`),
})

const words = parseCommandLine(process.argv.slice(2), { required: [], optional: ['transitions', 'seed'] })
const { transitions, seed } = parseOptions(flagsSchema, { ...words }, 'command line')
const result = await storm(transitions, seed)
console.log(JSON.stringify(result))
if (result.outside > 0 || !result.works) process.exitCode = 1
