import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from './command.ts'
import { type Destination, destinationFolder } from './destinations.ts'
import type { Host } from './host.ts'
import { seededData } from './seeded-data.ts'

/** The environment in which git neither reads this machine's settings nor asks for anything. */
export const GIT_ENV = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Nobody',
  GIT_AUTHOR_EMAIL: 'nobody@example.test',
  GIT_AUTHOR_DATE: '2001-09-09T01:46:40Z',
  GIT_COMMITTER_NAME: 'Nobody',
  GIT_COMMITTER_EMAIL: 'nobody@example.test',
  GIT_COMMITTER_DATE: '2001-09-09T01:46:40Z',
} as const

const PORT = 9418
const DATA_BYTES = 256 << 10

export interface GitDestination extends Destination {
  /** `git://berlin.test/repository` */
  readonly url: string
  /** Hash of the one commit; it holds `README` and 256 KiB in `data`. */
  readonly commit: string
}

/** A small repository that git daemons, web servers and ssh servers can offer. */
export interface GitRepository {
  readonly path: string
  /** Hash of the one commit; it holds `README` and 256 KiB in `data`. */
  readonly commit: string
}

/** Makes `repository` in this folder. */
export async function makeRepository(folder: string): Promise<GitRepository> {
  const path = join(folder, 'repository')
  mkdirSync(path)
  writeFileSync(join(path, 'README'), 'A repository of the world.\n')
  writeFileSync(join(path, 'data'), seededData('git', DATA_BYTES))
  const git = (...args: string[]): Promise<string> => mustRun('git', args, { cwd: path, env: GIT_ENV })
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '.')
  await git('commit', '--quiet', '--message=One commit')
  await git('update-server-info') // or web servers that know nothing of git could not offer it
  return { path, commit: (await git('rev-parse', 'HEAD')).trim() }
}

/** `git daemon` with a small repository. */
export async function serveGit(world: { readonly folder: string }, host: Host): Promise<GitDestination> {
  const base = destinationFolder(world.folder, 'git')
  const { commit } = await makeRepository(base)
  // Directly, because a signal for `git` would not end the daemon that it starts.
  const daemon = join((await mustRun('git', ['--exec-path'])).trim(), 'git-daemon')
  const args = ['--verbose', '--export-all', '--reuseaddr', `--base-path=${base}`, `--port=${PORT}`]
  const process = host.spawn(daemon, args, { env: GIT_ENV })
  await process.line(/Ready to rumble/)
  return { process, name: host.dnsName, port: PORT, url: `git://${host.dnsName}/repository`, commit }
}
