import type { ProcessTexts } from '../native/native.ts'
import type { App } from './app.ts'
import { readCgroup, unifiedPath } from './cgroup-text.ts'
import { isPlain, scriptOf } from './script-text.ts'

const DELETED = ' (deleted)'

/**
 * What app a process is, from what /proc says of it. Pure. Undefined where an answer could be another app's: a path that
 * is none or not readable, or one that means another file in the mounts of the process than in ours, unless a container
 * or sandbox has a name of its own.
 */
export function identify(
  texts: ProcessTexts,
  pid: number,
  uid: number,
  users: ReadonlyMap<number, string>,
): App | undefined {
  const path = programPath(texts.exe)
  if (path === undefined) return undefined
  const { unit, container, tag: cgroupTag } = readCgroup(unifiedPath(texts.cgroup) ?? '')
  const tag = cgroupTag ?? flatpakTag(texts.flatpakInfo) ?? appImageTag(path, texts.environment)
  if (texts.isElsewhere && tag === undefined && container === undefined) return undefined
  const script = scriptOf(path, texts.cwd, texts.commandLine)
  const user = users.get(uid)
  return {
    key: keyOf(uid, path, container, tag, script),
    path,
    uid,
    ...(user === undefined ? {} : { user }),
    pid,
    ...(unit === undefined || !isPlain(unit) ? {} : { unit }),
    ...(container === undefined ? {} : { container }),
    ...(tag === undefined ? {} : { tag }),
    ...(script === undefined ? {} : { script }),
  }
}

/** Paths of sandboxes change with every update, so there the name of the app counts. */
function keyOf(
  uid: number,
  path: string,
  container: string | undefined,
  tag: string | undefined,
  script: string | undefined,
): string {
  const program = script === undefined ? escapeSpaces(path) : `${escapeSpaces(path)} ${escapeSpaces(script)}`
  if (container !== undefined) return `${uid} ${container} ${program}`
  if (tag !== undefined) return `${uid} ${tag}`
  return `${uid} path:${program}`
}

/** May this be the key of an app of which so much is known? Its program or tag has to be, and whatever else its key has. */
export function fitsKey({ uid, path = '', container, tag, script }: Partial<App>, key: string): boolean {
  return key === keyOf(uid ?? Number.parseInt(key, 10), path, container, tag, script)
}

/** So that the parts of a key cannot be taken for one another. */
function escapeSpaces(text: string): string {
  return text.replace(/[\\ ]/g, (char) => (char === ' ' ? '\\x20' : '\\\\'))
}

/** Of /proc/PID/exe. A file that was replaced, as an update does, keeps its path. */
function programPath(exe: string): string | undefined {
  const path = exe.endsWith(DELETED) ? exe.slice(0, -DELETED.length) : exe
  return path.startsWith('/') && path.length > 1 && isPlain(path) && !path.endsWith(DELETED) ? path : undefined
}

/** Flatpak writes `[Application]` and `name=ID` into the root of a sandbox. */
function flatpakTag(info: string): string | undefined {
  const section = /^\[Application\]$([^[]*)/m.exec(info)?.[1] ?? ''
  const name = /^name=([\w.-]{1,255})$/m.exec(section)?.[1]
  return name === undefined ? undefined : `flatpak:${name}`
}

/** The variables are inherited by all that an AppImage starts, so they count only for programs within its mount. */
function appImageTag(path: string, environment: string): string | undefined {
  const variables = environment.split('\0')
  const value = (name: string) => variables.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1)
  const [image, folder] = [value('APPIMAGE'), value('APPDIR')]
  if (image === undefined || folder === undefined || !image.startsWith('/') || !isPlain(image)) return undefined
  return /^\/tmp\/\.mount_[^/]+$/.test(folder) && path.startsWith(`${folder}/`) ? `appimage:${image}` : undefined
}

/** The user ids of a process, from /proc/PID/status: real, effective, saved, of files. Empty if they are not there. */
export function userIds(status: string): readonly number[] {
  const line = /^Uid:((?:\t\d{1,10}){4})$/m.exec(status)?.[1]
  return line === undefined ? [] : line.split('\t').slice(1).map(Number)
}

/** Names of users, from /etc/passwd. The first entry of an id counts. */
export function userNames(passwd: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  for (const [, name, id] of passwd.matchAll(/^([^:\n]{1,255}):[^:\n]*:(\d{1,10}):/gm)) {
    if (name !== undefined && isPlain(name) && !names.has(Number(id))) names.set(Number(id), name)
  }
  return names
}
