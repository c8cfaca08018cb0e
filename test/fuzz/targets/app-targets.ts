import { identify, userIds, userNames } from '../../../client/apps/app-identity.ts'
import { readCgroup, unifiedPath } from '../../../client/apps/cgroup-text.ts'
import { isPlain, scriptOf } from '../../../client/apps/script-text.ts'
import type { ProcessTexts } from '../../../client/native/native.ts'
import { utf8 } from '../../../shared/base/bytes.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

/** As the addon hands it on: what is no UTF-8 is replaced. */
const textOf = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

const ID = 'ab'.repeat(32)
const SCOPE = '0::/user.slice/user-1000.slice/user@1000.service/app.slice'

const cgroup: FuzzTarget = {
  name: 'app-cgroup',
  about: 'the control group of a process',
  maxBytes: 512,
  words: ['0::/', '.scope', '.service', 'docker-', 'libpod-', 'lxc.payload.', '/lxc/', 'snap.', '\\x2d', ID].map(utf8),
  seeds: () =>
    [
      '9:cpu:/\n0::/\n',
      `0::/system.slice/docker-${ID}.scope\n`,
      `${SCOPE}/app-flatpak-org.example.App-12.scope\n`,
      `${SCOPE}/snap.name.app-0a.scope\n`,
      `0::/docker/${ID}\n`,
      '0::/lxc/web/x.service\n',
      `${SCOPE}/app-a\\x2db.service\n`,
    ].map(utf8),
  run(input) {
    const path = unifiedPath(textOf(input))
    if (path === undefined) return 'none'
    promise(path.startsWith('/') && !path.includes('\n'), 'a path of one line')
    const { unit, container, tag } = readCgroup(path)
    promise(container === undefined || /^[a-z]+:[\w.-]+$/.test(container), 'a container has a plain name')
    promise(tag === undefined || /^(flatpak|snap):[\w.-]+$/.test(tag), 'a tag has a plain name')
    promise(unit === undefined || /\.(service|scope)$/.test(unit), 'a unit has its kind')
    return `${unit !== undefined} ${container?.split(':')[0]} ${tag?.split(':')[0]}`
  },
}

const commandLine: FuzzTarget = {
  name: 'app-command-line',
  about: 'the command line of an interpreter, behind its number',
  maxBytes: 256,
  words: ['-m\0', '-c\0', '-jar\0', '--\0', '-o\0', '../', '/', '\0', '-'].map(utf8),
  seeds: () => [
    utf8('0python3\0-u\0tool.py\0'),
    utf8('1node\0--import\0x\0/a.js\0'),
    utf8('2bash\0-o\0pipefail\0../a.sh\0'),
    utf8('3java\0-jar\0a.jar\0'),
    utf8('0python3\0-m\0http.server\0'),
    utf8('4curl\0a.py\0'),
  ],
  run(input) {
    const programs = ['/usr/bin/python3.11', '/usr/bin/node', '/bin/bash', '/usr/bin/java', '/usr/bin/curl']
    const path = programs[(input[0] ?? 0) % programs.length] as string
    const script = scriptOf(path, '/home/ann', textOf(input.subarray(1)))
    if (script === undefined) return 'none'
    promise(isPlain(script), 'nothing that forges a line')
    promise(path !== '/usr/bin/curl', 'only interpreters run scripts')
    promise(/^\/|^-m ./.test(script), 'a whole path, or a module')
    promise(!script.startsWith('/') || !/\/\.{1,2}(\/|$)/.test(script), 'a path without detours')
    return script.startsWith('/') ? 'file' : 'module'
  },
}

/** Parts of a process, each ended by byte 0x1e. */
const PARTS = ['exe', 'cgroup', 'environment', 'flatpakInfo', 'commandLine', 'status', 'passwd'] as const

const identity: FuzzTarget = {
  name: 'app-identity',
  about: 'all that /proc says of a process, and the names of users',
  maxBytes: 1024,
  words: ['\x1e', ' (deleted)', 'APPIMAGE=/a\0', 'APPDIR=/tmp/.mount_a\0', '[Application]\nname=a\n', 'Uid:\t'].map(
    utf8,
  ),
  seeds: () =>
    [
      ['/usr/bin/curl', '0::/', '', '', 'curl\0', 'Uid:\t1\t1\t1\t1\n', 'root:x:0:0:::\nann:x:1:1:::\n'],
      ['/tmp/.mount_a/b (deleted)', '', 'APPIMAGE=/a\0APPDIR=/tmp/.mount_a\0', '', '', '', ''],
      ['/app/bin/x', `${SCOPE}/x.service`, '', '[Application]\nname=org.a\n', 'x\0', 'Uid:\t0\t1\t2\t3\n', ''],
      ['/usr/bin/python3', `0::/docker/${ID}`, '', '', 'python3\0a b.py\0', '', ':x:0:'],
    ].map((parts) => utf8(parts.join('\x1e'))),
  run(input) {
    const parts = textOf(input).split('\x1e')
    const part = (name: (typeof PARTS)[number]) => parts[PARTS.indexOf(name)] ?? ''
    const users = userNames(part('passwd'))
    for (const [id, name] of users) promise(id >= 0 && isPlain(name) && !name.includes(':'), 'a user has a plain name')
    const ids = userIds(part('status'))
    promise(ids.length === 0 || ids.length === 4, 'a process has four user ids')
    promise(ids.every(Number.isSafeInteger), 'which are numbers')
    const { passwd: _, ...texts } = Object.fromEntries(PARTS.map((name) => [name, part(name)])) as Record<
      string,
      string
    >
    const here = { cwd: '/home/ann', ...texts, isElsewhere: false } as unknown as ProcessTexts
    const app = identify(here, 7, 1, users)
    const elsewhere = identify({ ...here, isElsewhere: true }, 7, 1, users)
    promise(
      elsewhere === undefined || elsewhere.tag !== undefined || elsewhere.container !== undefined,
      'no path of other mounts',
    )
    if (app === undefined) return 'unknown'
    promise(app.path.startsWith('/') && isPlain(app.key) && isPlain(app.path), 'plain text, a whole path')
    promise(app.key.startsWith('1 ') && app.uid === 1 && app.pid === 7, 'of its user')
    promise(
      Object.values(app).every((value) => value !== undefined),
      'no fields without value',
    )
    promise(
      !app.key.startsWith('1 path:') || app.key.split(' ').length === (app.script === undefined ? 2 : 3),
      'parts that cannot be mixed up',
    )
    return `${app.container !== undefined} ${app.tag?.split(':')[0]} ${app.script !== undefined} ${ids.length}`
  },
}

export const APP_TARGETS: readonly FuzzTarget[] = [cgroup, commandLine, identity]
