/** What a Redis says of itself (`INFO`). */
export interface RedisInfo {
  readonly role: string
  /** Another one after a restart and after a failover. */
  readonly replicationId: string
  /** Replicas that follow closely. */
  readonly replicas: number
}

/** Seconds: as far behind as `min-replicas-max-lag` allows by default. */
const MAX_LAG_S = 10

export function parseInfo(text: string): RedisInfo {
  const replicas = [...text.matchAll(/^slave\d+:.*state=online,.*lag=(\d+)/gm)].filter(
    ([, lag]) => Number(lag) <= MAX_LAG_S,
  )
  return { role: fieldOf(text, 'role'), replicationId: fieldOf(text, 'master_replid'), replicas: replicas.length }
}

/** Of `INFO server`, as [major, minor]. */
export function parseVersion(text: string): [number, number] {
  const [major = 0, minor = 0] = fieldOf(text, 'redis_version').split('.').map(Number)
  return [major, minor]
}

/** Of `INFO server`: another one for each process. */
export function runIdOf(text: string): string {
  return fieldOf(text, 'run_id')
}

/** `WAITAOF` waits for the disks too. */
export function knowsWaitAof([major, minor]: readonly [number, number]): boolean {
  return major > 7 || (major === 7 && minor >= 2)
}

/**
 * Settings with which Redis could lose what was accepted, each with what to do. Empty if there are none.
 * @param config what `CONFIG GET` answers, by name; undefined where the user of the directory may not ask
 */
export function unsafeSettings(
  version: readonly [number, number],
  config: ReadonlyMap<string, string> | undefined,
): string[] {
  if (version[0] < 7) return [`expected Redis 7.0 or later, not ${version.join('.')}`]
  if (config === undefined) return []
  const mistakes: string[] = []
  const expect = (name: string, isRight: (value: string) => boolean, right: string): void => {
    const value = config.get(name) ?? ''
    if (!isRight(value))
      mistakes.push(
        `${name}: expected "${right}", not "${value}"; say CONFIG SET ${name} ${right} and write it into redis.conf, on the primary and on its replicas`,
      )
  }
  expect('appendonly', (value) => value === 'yes', 'yes')
  if (knowsWaitAof(version)) expect('appendfsync', (value) => value !== 'no', 'everysec')
  else expect('appendfsync', (value) => value === 'always', 'always')
  expect('min-replicas-to-write', (value) => Number(value) >= 1, '1')
  expect('maxmemory-policy', (value) => value === 'noeviction', 'noeviction')
  return mistakes
}

function fieldOf(text: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? ''
}
