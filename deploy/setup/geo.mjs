import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { projectNode } from './node-packages.mjs'
import { hashFiles, isDone, markDone } from './stamp.mjs'

/** Makes the client's compact table of places from the databases that came with the npm packages, unless it is made. */
export function bringGeoTable(root) {
  const stamp = join(root, 'build', 'geo', '.spn-setup')
  const input = hashFiles(root, ['package-lock.json', 'deploy/geo-table.ts', 'shared/geo/place-table.ts'])
  if (isDone(stamp, input)) return
  console.error('setup: table of places')
  const out = join(root, 'build', 'geo', 'places.bin')
  const result = spawnSync(projectNode(root), ['--no-warnings', 'deploy/geo-table.ts', out], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (result.status !== 0) throw new Error('setup: the table of places could not be made; its message is above')
  markDone(stamp, input)
}
