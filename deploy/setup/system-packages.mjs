import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Programs that the client, the tests and the demo call, with the Debian package that brings each. */
const PROGRAMS = {
  'iptables-restore': 'iptables',
  nft: 'nftables',
  ip: 'iproute2',
  tcpdump: 'tcpdump',
  ping: 'iputils-ping',
  curl: 'curl',
  dig: 'bind9-dnsutils',
  git: 'git',
  ssh: 'openssh-client',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  make: 'make',
  'g++': 'g++',
  python3: 'python3',
  caddy: 'caddy',
  chromium: 'chromium',
  iperf3: 'iperf3',
  'redis-server': 'redis-server',
  'redis-sentinel': 'redis-sentinel',
}

/** Of these packages: the tests start their programs themselves. */
const SERVICES = ['redis-server', 'redis-sentinel']

const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin']

/** Brings the system's packages, unless their programs are there. Needs root for that, and says so in one sentence. */
export function bringSystemPackages() {
  const missing = Object.keys(PROGRAMS).filter((name) => !FOLDERS.some((folder) => existsSync(join(folder, name))))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((name) => PROGRAMS[name]))]
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`setup: please install these programs first: ${missing.join(', ')}`)
  }
  if (process.getuid?.() !== 0) {
    throw new Error(`setup: please run as root once: apt-get install -y --no-install-recommends ${packages.join(' ')}`)
  }
  console.error(`setup: Debian packages ${packages.join(', ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', '-o=Dpkg::Use-Pty=0', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  apt('update')
  // Who has systemd would get them as services of the system.
  if (missing.some((name) => SERVICES.includes(name)) && existsSync('/run/systemd/system')) {
    spawnSync('systemctl', ['mask', ...SERVICES], { stdio: 'ignore' })
  }
  const result = apt('install', '-y', '--no-install-recommends', ...packages)
  if (result.status !== 0) throw new Error('setup: apt-get install failed; its message is above')
}
