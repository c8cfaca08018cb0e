/**
 * `npm run scale -- [--hubs N] [--arrivals N] [--epoch SECONDS] [--seconds N] [--timeout SECONDS]`: so many hubs with keys
 * and addresses of their own against three replicas of a directory on a real Redis, all limits as shipped. One JSON line for
 * each figure; ends with 1 if one is not as it has to be. Runs in a network namespace of its own, from which no way leads out.
 */
import { spawnSync } from 'node:child_process'
import { z } from 'zod'
import { parseCommandLine } from '../../shared/base/command-line.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { commandEnv } from '../world/command.ts'
import { PLAN_RANGES } from './address-plan.ts'
import { type Figure, runScale } from './scale-run.ts'

const flagsSchema = z.strictObject({
  hubs: z.coerce.number().int().min(100).max(15_000).default(10_000),
  arrivals: z.coerce.number().min(1).max(1_000).default(40),
  epoch: z.coerce.number().int().min(5).max(3_600).default(60),
  seconds: z.coerce.number().min(0.1).max(60).default(5),
  timeout: z.coerce.number().int().min(1).max(3_600).default(600),
})
const FLAGS = ['hubs', 'arrivals', 'epoch', 'seconds', 'timeout']
/** Set within the namespace. */
const INSIDE = 'SPN_SCALE_INSIDE'

const words = process.argv.slice(2)
const { hubs, arrivals, epoch, seconds, timeout } = parseOptions(
  flagsSchema,
  { ...parseCommandLine(words, { required: [], optional: FLAGS }) },
  'command line',
)

if (process.env[INSIDE] === undefined) {
  const kinds = process.getuid?.() === 0 ? '-n' : '-Urn'
  const again = [process.execPath, '--no-warnings', ...process.argv.slice(1)]
  const env = commandEnv({ [INSIDE]: 'yes' })
  const { status } = spawnSync('unshare', [kinds, 'sh', '-c', prepare(), 'sh', ...again], { env, stdio: 'inherit' })
  process.exitCode = status ?? 1
} else {
  const options = { hubs, arrivals, epochSeconds: epoch, requestSeconds: seconds, timeoutSeconds: timeout }
  await runScale(options, (figure) => {
    const ok = isRight(figure)
    console.log(JSON.stringify(ok === undefined ? figure : { ...figure, ok }))
    if (ok === false) process.exitCode = 1
  })
}

/** All addresses of the plan are this machine's; an address of IPv6 that only a route names may be sent from too. */
function prepare(): string {
  const routes = PLAN_RANGES.map((range) => `ip ${range.includes(':') ? '-6 ' : ''}route add local ${range} dev lo`)
  const open = ['echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind']
  return ['set -e', 'ip link set lo up', ...routes, ...open, 'exec "$@"'].join('\n')
}

function isRight({ value, most, least }: Figure): boolean | undefined {
  if (most === undefined && least === undefined) return undefined
  return value <= (most ?? Number.POSITIVE_INFINITY) && value >= (least ?? Number.NEGATIVE_INFINITY)
}
