import { describe, expect, test } from '@jest/globals'
import { readCgroup, unifiedPath } from '../../../client/apps/cgroup-text.ts'

const ID = '0123456789abcdef'.repeat(4)
const USER = '/user.slice/user-1000.slice/user@1000.service'

describe('the path of a control group', () => {
  test('is that of the unified hierarchy', () => {
    expect(unifiedPath('9:cpu:/old\n0::/system.slice/a.service\n')).toBe('/system.slice/a.service')
    expect(unifiedPath('9:cpu:/old\n')).toBeUndefined()
  })

  test.each([
    ['/', {}],
    ['/init.scope', {}],
    ['/system.slice/ssh.service', { unit: 'ssh.service' }],
    [`${USER}/init.scope`, {}],
    ['/user.slice/user-1000.slice/session-3.scope', {}],
    [`${USER}/app.slice/app-gnome-firefox-2211.scope`, { unit: 'app-gnome-firefox-2211.scope' }],
    [`${USER}/app.slice/app-org.kde.kate\\x2dx.service`, { unit: 'app-org.kde.kate-x.service' }],
    [
      `${USER}/app.slice/app-flatpak-org.mozilla.firefox-99.scope`,
      { unit: 'app-flatpak-org.mozilla.firefox-99.scope', tag: 'flatpak:org.mozilla.firefox' },
    ],
    [
      `${USER}/app.slice/snap.firefox.firefox-1b2c-3d.scope`,
      { unit: 'snap.firefox.firefox-1b2c-3d.scope', tag: 'snap:firefox' },
    ],
    ['/system.slice/snap.lxd_two.daemon.service', { unit: 'snap.lxd_two.daemon.service', tag: 'snap:lxd_two' }],
    [`/system.slice/docker-${ID}.scope`, { unit: `docker-${ID}.scope`, container: `docker:${ID}` }],
    [`/system.slice/docker-${ID}.scope/system.slice/x.service`, { unit: 'x.service', container: `docker:${ID}` }],
    [`/docker/${ID}`, { container: `docker:${ID}` }],
    [`/docker/${ID.slice(1)}`, {}],
    [`${USER}/user.slice/libpod-${ID}.scope/container`, { unit: `libpod-${ID}.scope`, container: `podman:${ID}` }],
    [`/libpod_parent/libpod-${ID}`, { container: `podman:${ID}` }],
    [
      `/kubepods.slice/pod1.slice/cri-containerd-${ID}.scope`,
      { unit: `cri-containerd-${ID}.scope`, container: `containerd:${ID}` },
    ],
    [`/constructor/${ID}`, {}],
    [`/default/${ID}`, { container: `containerd:${ID}` }],
    ['/lxc.payload.web-1/init.scope', { container: 'lxc:web-1' }],
    ['/lxc/web-1/init.scope', { container: 'lxc:web-1' }],
    ['/lxc/a b', {}],
    [`/${'a'.repeat(300)}.service`, {}],
  ])('%s', (path, facts) => {
    expect(readCgroup(path)).toEqual(facts)
  })
})
