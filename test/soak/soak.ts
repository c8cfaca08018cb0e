/**
 * `npm run soak -- [--bytes N] [--hops 1,2,3,4] [--transport tls,noise]`: circuits that carry much, over a whole network
 * on loopback. One JSON line `{"hops","transport","bytes","MB/s","ok"}` for each; ends with 1 if any failed.
 */
import { z } from 'zod'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { MAX_HOPS } from '../../shared/cell/cell.ts'
import { LINK_TRANSPORTS } from '../../shared/map/link-address.ts'
import { soak } from './soak-run.ts'

const list = (text: string): string[] => text.split(',')

const flagsSchema = z.strictObject({
  bytes: z.coerce.number().int().min(1).max(1e15).default(1_000_000_000),
  hops: z
    .string()
    .default('1,2,3,4')
    .transform(list)
    .pipe(z.array(z.coerce.number<string>().int().min(1).max(MAX_HOPS))),
  transport: z
    .string()
    .default(LINK_TRANSPORTS.join())
    .transform(list)
    .pipe(z.array(z.enum(LINK_TRANSPORTS))),
})

const words = parseCommandLine(process.argv.slice(2), { required: [], optional: ['bytes', 'hops', 'transport'] })
const { bytes, hops, transport: transports } = parseOptions(flagsSchema, { ...words }, 'command line')
for (const transport of transports) {
  for await (const result of soak({ bytes, hops, transport })) {
    console.log(JSON.stringify(result))
    if (!result.ok) process.exitCode = 1
  }
}
