import { describe, expect, test } from '@jest/globals'
import { identify, userIds, userNames } from '../../../client/apps/app-identity.ts'
import type { ProcessTexts } from '../../../client/native/native.ts'

const PLAIN: ProcessTexts = {
  exe: '/usr/bin/curl',
  cwd: '/home/ann',
  commandLine: 'curl\0https://example.com/\0',
  status: 'Name:\tcurl\nUid:\t1000\t1000\t1000\t1000\n',
  cgroup: '0::/user.slice/user-1000.slice/session-2.scope\n',
  environment: '',
  flatpakInfo: '',
  isElsewhere: false,
}
const USERS = new Map([[1000, 'ann']])

const appOf = (changes: Partial<ProcessTexts>) => identify({ ...PLAIN, ...changes }, 42, 1000, USERS)

describe('an app', () => {
  test('is its program and its user', () => {
    expect(appOf({})).toEqual({
      ...{ key: '1000 path:/usr/bin/curl', path: '/usr/bin/curl', uid: 1000, user: 'ann', pid: 42 },
    })
    expect(identify(PLAIN, 42, 7, USERS)).toEqual({
      ...{ key: '7 path:/usr/bin/curl', path: '/usr/bin/curl', uid: 7, pid: 42 },
    })
  })

  test('keeps its key when its file is replaced by an update', () => {
    expect(appOf({ exe: '/usr/bin/curl (deleted)' })).toEqual(appOf({}))
  })

  test.each(['', 'curl', '/', '/memfd:x (deleted) (deleted)', '/tmp/a\nb', '/tmp/\ufffd', '/tmp/\u2028'])(
    'whose path is %j is unknown',
    (exe) => expect(appOf({ exe })).toBeUndefined(),
  )

  test('with a script has it in its key, and none can be made that looks like another', () => {
    const app = appOf({ exe: '/usr/bin/python3.11', commandLine: 'python3\0-u\0tool.py\0--help\0' })
    expect(app).toMatchObject({ script: '/home/ann/tool.py', key: '1000 path:/usr/bin/python3.11 /home/ann/tool.py' })
    const odd = appOf({ exe: '/usr/bin/python3.11 /home/ann/tool.py' })
    expect(odd?.key).toBe('1000 path:/usr/bin/python3.11\\x20/home/ann/tool.py')
    expect(appOf({ exe: '/a\\x20b' })?.key).toBe('1000 path:/a\\\\x20b')
  })

  test('of a service has its unit', () => {
    expect(appOf({ cgroup: '0::/system.slice/cups.service\n' })).toMatchObject({ unit: 'cups.service' })
  })

  test('in a container is another one than outside', () => {
    const id = 'ab'.repeat(32)
    const app = appOf({ cgroup: `0::/system.slice/docker-${id}.scope\n`, isElsewhere: true })
    expect(app).toMatchObject({ container: `docker:${id}`, key: `1000 docker:${id} /usr/bin/curl` })
  })

  test('of flatpak is known by its id, by control group or by what stands in its root', () => {
    const cgroup = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.example.Mail-77.scope\n'
    expect(appOf({ cgroup, isElsewhere: true })).toMatchObject({ key: '1000 flatpak:org.example.Mail' })
    const flatpakInfo = '[Application]\nname=org.example.Mail\nruntime=runtime/x\n\n[Instance]\nname=other\n'
    expect(appOf({ flatpakInfo, isElsewhere: true })?.key).toBe('1000 flatpak:org.example.Mail')
    expect(appOf({ flatpakInfo: '[Instance]\nname=other\n', isElsewhere: true })).toBeUndefined()
  })

  test('of a snap is known by its name, whatever its revision', () => {
    const cgroup = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox-0a-1b.scope\n'
    expect(appOf({ cgroup, exe: '/snap/firefox/9/usr/lib/firefox' })?.key).toBe('1000 snap:firefox')
  })

  test('in an AppImage is known by the image; what it starts outside of it is not', () => {
    const environment = 'A=b\0APPIMAGE=/home/ann/Note.AppImage\0APPDIR=/tmp/.mount_Note1x\0'
    const inside = appOf({ exe: '/tmp/.mount_Note1x/bin/note', environment, isElsewhere: false })
    expect(inside).toMatchObject({
      tag: 'appimage:/home/ann/Note.AppImage',
      key: '1000 appimage:/home/ann/Note.AppImage',
    })
    expect(appOf({ exe: '/usr/bin/curl', environment })?.key).toBe('1000 path:/usr/bin/curl')
    expect(appOf({ exe: '/tmp/.mount_Other/x', environment })?.key).toBe('1000 path:/tmp/.mount_Other/x')
  })

  test('in other mounts is unknown, unless its container or sandbox has a name', () => {
    expect(appOf({ isElsewhere: true })).toBeUndefined()
  })
})

describe('files of the system', () => {
  test('say which users a process has', () => {
    expect(userIds('Name:\tUid:\t9\nUid:\t1000\t0\t0\t5\nGid:\t1\t1\t1\t1\n')).toEqual([1000, 0, 0, 5])
    expect(userIds('Uid:\t1\t2\t3\n')).toEqual([])
  })

  test('say how users are called', () => {
    const names = userNames('root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\ntwin:x:0:0::/:/\n+::\n')
    expect([...names]).toEqual([
      [0, 'root'],
      [1000, 'ann'],
    ])
  })
})
