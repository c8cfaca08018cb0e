/**
 * Starts a program of this project on a machine that may have nothing yet: brings what it needs, then runs it with
 * the project's own Node. Plain JavaScript that any Node from 18 on can run.
 *
 *     node deploy/run.mjs [SCRIPT.ts [ARGUMENTS]]      without a script: set-up only
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { bringAddons } from './setup/addon.mjs'
import { bringGeoTable } from './setup/geo.mjs'
import { bringNodePackages, projectNode } from './setup/node-packages.mjs'
import { bringSystemPackages } from './setup/system-packages.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Programs that run with npm packages alone. */
const NEEDS_NO_SYSTEM = ['test/net/net.ts', 'test/vectors/generate.ts']

const [script, ...args] = process.argv.slice(2)

try {
  bringNodePackages(root)
  if (!NEEDS_NO_SYSTEM.includes(script)) {
    bringSystemPackages()
    bringAddons(root)
    bringGeoTable(root)
  }
} catch (error) {
  console.error(error.message)
  process.exit(1)
}

if (script !== undefined) {
  const child = spawn(projectNode(root), ['--no-warnings', script, ...args], { cwd: root, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
}
