import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { projectNode } from './node-packages.mjs'
import { hashFiles, isDone, markDone } from './stamp.mjs'

/** Folders whose code decides what is in the table. */
const SOURCES = ['deploy/geo', 'shared/geo']

/** Makes the client's compact table of places from the databases that came with the npm packages, unless it is made. */
export function bringGeoTable(root) {
  const out = join(root, 'build', 'geo', 'places.bin')
  const stamp = join(root, 'build', 'geo', '.spn-setup')
  const sources = SOURCES.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)))
  const input = hashFiles(root, ['package-lock.json', 'deploy/geo-table.ts', ...sources.sort()])
  if (existsSync(out) && isDone(stamp, input)) return
  console.error('setup: table of places')
  const result = spawnSync(projectNode(root), ['--no-warnings', 'deploy/geo-table.ts', out], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (result.status !== 0) throw new Error('setup: the table of places could not be made; its message is above')
  markDone(stamp, input)
}
