import { join } from 'node:path'
import { systemClock } from '../shared/base/clock.ts'
import { createLog } from '../shared/base/log.ts'
import { systemRandom } from '../shared/base/random.ts'
import { readNetworkFile } from '../shared/map/network-file.ts'
import { Directory, type DirectoryParts } from './directory.ts'
import { openLocator } from './geo-database.ts'
import { KEY_KINDS, loadKey } from './key-files.ts'
import type { DirectoryOptions } from './options.ts'
import { openRedisStore } from './redis/redis-store.ts'
import { SqliteStore } from './sqlite-store.ts'

/**
 * The directory that the options describe, with the files, the store and the clock of this machine; not yet started.
 * `others` are in place of those.
 * @throws Fault of what it reads; options-invalid if they do not fit together
 */
export async function openDirectory(
  options: DirectoryOptions,
  others: Partial<DirectoryParts> = {},
): Promise<Directory> {
  const log = createLog(options.logLevel)
  const network = readNetworkFile(options.networkFile)
  return new Directory(options, {
    ...{ network, log, clock: systemClock, wallClock: Date.now, random: systemRandom },
    key: loadKey(options.stateDir, KEY_KINDS.directory),
    store:
      options.redis === undefined
        ? new SqliteStore(join(options.stateDir, 'directory.sqlite'))
        : await openRedisStore(options.redis, network, log),
    locator: await openLocator(options.geo),
    ...others,
  })
}
