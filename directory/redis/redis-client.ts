import { Cluster, Redis } from 'ioredis'
import type { RedisOptions } from './redis-options.ts'

const CONNECT_TIMEOUT_MS = 2_000
/** A command that takes longer is given up: longer than Redis may wait for a replica. */
export const COMMAND_TIMEOUT_MS = 5_000
const LONGEST_PAUSE_MS = 500

/**
 * A connection to the primary, whichever of them that is now. It is looked for again when the connection breaks; until
 * then commands fail at once, and none is sent twice.
 */
export function createRedisClient(options: RedisOptions): Redis | Cluster {
  const { nodes, tls, username, password, database, sentinel, cluster } = options
  const pause = (times: number): number => Math.min(times * 50, LONGEST_PAUSE_MS)
  const common = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
    ...{ connectTimeout: CONNECT_TIMEOUT_MS, commandTimeout: COMMAND_TIMEOUT_MS, protocol: 2 as const },
    ...{ enableOfflineQueue: false, autoResendUnfulfilledCommands: false, disableClientInfo: true },
  }
  if (cluster) {
    return new Cluster([...nodes], {
      redisOptions: common,
      ...{ enableOfflineQueue: false, clusterRetryStrategy: pause, slotsRefreshInterval: 2_000 },
    })
  }
  const plain = { ...common, db: database, retryStrategy: pause, maxRetriesPerRequest: null }
  if (sentinel !== undefined) {
    const { tls: nodeTls } = common as { tls?: object }
    return new Redis({
      ...plain,
      ...{ sentinels: nodes.map((node) => ({ ...node })), name: sentinel, sentinelRetryStrategy: pause },
      ...(nodeTls === undefined ? {} : { sentinelTLS: nodeTls, enableTLSForSentinelMode: true }),
    })
  }
  return new Redis({ ...plain, ...nodes[0] })
}
