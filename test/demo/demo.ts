/**
 * `npm run demo`: a world with a whole network in it, and real programs on a user machine that go through it without
 * knowing. `--once` ends after the tour, with status 0 or 1 and a last line of JSON.
 */

import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { worldCommand, worldSupport } from '../world/support.ts'
import { runOnLoopback } from './loopback-demo.ts'
import { runInWorld } from './world-demo.ts'

const USAGE = 'npm run demo [-- --once]'

const { once } = options()
if (worldSupport().possible) {
  process.exitCode = (await runInWorld(once)) ? 0 : 1
} else {
  const inside = worldCommand(process.execPath, ['--no-warnings', ...process.argv.slice(1)])
  if (inside === undefined) {
    console.log('This user may not make network namespaces, so the tour goes through SOCKS on loopback.')
    process.exitCode = (await runOnLoopback(once)) ? 0 : 1
  } else {
    process.exitCode = spawnSync(inside[0], inside.slice(1), { stdio: 'inherit' }).status ?? 1
  }
}

function options(): { once: boolean } {
  try {
    const { values } = parseArgs({ options: { once: { type: 'boolean' } }, strict: true })
    return { once: values.once === true }
  } catch (error) {
    console.error(`demo: ${(error as Error).message.split('. ')[0]}\nusage: ${USAGE}`)
    process.exit(2)
  }
}
