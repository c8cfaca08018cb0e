/** What the path of a control group tells of the programs in it. */
export interface CgroupFacts {
  readonly unit?: string
  readonly container?: string
  /** `flatpak:ID` or `snap:NAME`. */
  readonly tag?: string
}

/** Longer names are none that systemd makes. */
const MAX_PART_CHARS = 255
const CONTAINER_ID = '[0-9a-f]{64}'

/** How container engines name the control groups of containers: by systemd, and by themselves. */
const CONTAINERS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`^docker-(${CONTAINER_ID})\\.scope$`), 'docker'],
  [new RegExp(`^libpod-(${CONTAINER_ID})\\.scope$`), 'podman'],
  [new RegExp(`^libpod-(${CONTAINER_ID})$`), 'podman'],
  [new RegExp(`^cri-containerd-(${CONTAINER_ID})\\.scope$`), 'containerd'],
  [new RegExp(`^nerdctl-(${CONTAINER_ID})\\.scope$`), 'containerd'],
  [new RegExp(`^crio-(${CONTAINER_ID})\\.scope$`), 'crio'],
  [/^lxc\.payload\.([\w.-]+)$/, 'lxc'],
]
/** The folder in front of a bare id. */
const CONTAINER_FOLDERS: ReadonlyMap<string, string> = new Map([
  ['docker', 'docker'],
  ['default', 'containerd'],
  ['lxc', 'lxc'],
])

const UNIT = /\.(service|scope)$/
/** Those of the user's service manager and of logins hold everything that a user runs. */
const NO_PROGRAM = /^(user@\d+\.service|session-\w+\.scope|init\.scope)$/

/**
 * The path in the unified hierarchy, from /proc/PID/cgroup: `0::/user.slice/...`. Undefined if the process is in none.
 * Other lines are of older hierarchies.
 */
export function unifiedPath(text: string): string | undefined {
  return /^0::(\/.*)$/m.exec(text)?.[1]
}

/** Reads the path of a control group from its end: the innermost name counts. Escapes of systemd are undone. */
export function readCgroup(path: string): CgroupFacts {
  const parts = path.split('/').filter((part) => part !== '' && part.length <= MAX_PART_CHARS)
  const inner = parts.toReversed()
  const unit = inner.find((part) => UNIT.test(part) && !NO_PROGRAM.test(part))
  const tag = first(inner, tagOf)
  const container = first(inner, (part, at) => containerOf(part, inner[at + 1]))
  return {
    ...(unit === undefined ? {} : { unit: unescapeUnit(unit) }),
    ...(container === undefined ? {} : { container }),
    ...(tag === undefined ? {} : { tag }),
  }
}

function containerOf(part: string, folder: string | undefined): string | undefined {
  for (const [pattern, engine] of CONTAINERS) {
    const id = pattern.exec(part)?.[1]
    if (id !== undefined) return `${engine}:${id}`
  }
  const engine = folder === undefined ? undefined : CONTAINER_FOLDERS.get(folder)
  if (engine === 'lxc') return /^[\w.-]+$/.test(part) ? `lxc:${part}` : undefined
  return engine !== undefined && new RegExp(`^${CONTAINER_ID}$`).test(part) ? `${engine}:${part}` : undefined
}

/** `app-flatpak-org.example.App-1234.scope`, `snap.NAME.APP-UUID.scope`, `snap.NAME.APP.service`. */
function tagOf(part: string): string | undefined {
  const unit = unescapeUnit(part)
  const flatpak = /^app-flatpak-([\w.-]+)-\d+\.scope$/.exec(unit)?.[1]
  if (flatpak !== undefined) return `flatpak:${flatpak}`
  const snap = /^snap\.([a-z0-9-]+(?:_[a-z0-9]+)?)\.[\w.-]+\.(?:scope|service)$/.exec(unit)?.[1]
  return snap === undefined ? undefined : `snap:${snap}`
}

/** systemd writes characters that have a meaning for it as `\x2d`. */
function unescapeUnit(unit: string): string {
  return unit.replace(/\\x([2-7][0-9a-f])/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function first<T, R>(all: readonly T[], read: (one: T, at: number) => R | undefined): R | undefined {
  for (const [at, one] of all.entries()) {
    const found = read(one, at)
    if (found !== undefined) return found
  }
  return undefined
}
