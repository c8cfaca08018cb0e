import { join } from 'node:path'
import type { DirectoryConfig } from '../../directory/options.ts'
import { writeJson } from '../net/network-config.ts'
import type { Host } from './host.ts'
import type { HostProcess } from './host-process.ts'

/** A directory of the world. It has a process once it was started. */
export interface WorldDirectory {
  readonly host: Host
  readonly stateDir: string
  /** Its configuration file. */
  readonly config: string
  /** Where its HTTP is, as the network file says. */
  readonly url: string
  process: HostProcess | undefined
}

export interface FoundingOptions {
  readonly threshold: number
  /** Directories are known by their address of this family. */
  readonly family: 'ipv4' | 'ipv6'
  /** Where their files are. */
  readonly folder: string
  /** What all are configured with, but their own folder and address. */
  readonly config: Omit<DirectoryConfig, 'stateDir' | 'listen'>
}

const PORT = 80

/** Makes the keys of directories on these hosts, and the network file, as their operators do. None is started. */
export async function foundNetwork(
  program: string,
  hosts: readonly Host[],
  options: FoundingOptions,
): Promise<WorldDirectory[]> {
  const { threshold, folder, config } = options
  const directories = hosts.map((host): WorldDirectory => {
    const stateDir = join(folder, host.name)
    const address = options.family === 'ipv4' ? host.ipv4 : `[${host.ipv6}]`
    const own = writeJson(folder, `${host.name}.json`, { ...config, stateDir, listen: `${address}:${PORT}` })
    return { host, stateDir, config: own, url: `http://${address}`, process: undefined }
  })
  const toAll = ['--network-file', config.networkFile, '--network', 'world', '--test-network', 'yes']
  const [first] = directories
  if (directories.length === 1 && first !== undefined) {
    const { host, stateDir, url } = first
    await host.mustRun(program, ['init', '--state-dir', stateDir, '--name', 'zurich', '--url', url, ...toAll])
    return directories
  }
  const parts = await Promise.all(
    directories.map(async ({ host, stateDir, url }) => {
      const part = join(folder, `${host.name}-part.json`)
      const words = ['--state-dir', stateDir, '--public-file', part, '--name', host.name, '--url', url]
      await host.mustRun(program, ['key', ...words])
      return part
    }),
  )
  await first?.host.mustRun(program, ['join', '--threshold', `${threshold}`, '--parts', parts.join(','), ...toAll])
  return directories
}
