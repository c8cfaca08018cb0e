/**
 * Runs a command as an ordinary user where worlds can be made: in a user namespace, as its root, with a network and
 * mounts of its own.
 *
 *     node test/world/enter.ts COMMAND [ARGUMENTS]
 *
 * `/run` is empty there, so that `ip netns` has a place for its names; `/etc` is a folder of links to the real files, so
 * that hosts can get theirs. Only one user and one group exist: programs cannot run as another.
 */
import { spawn } from 'node:child_process'
import { commandEnv } from './command.ts'

/** The four files are real ones, because files of hosts are mounted over them, and a link may lead to where /run was. */
const PREPARE = `
set -e
ip link set lo up
resolv=$(cat /etc/resolv.conf 2>/dev/null || true)
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/etc
mount --rbind /etc /run/etc
mount -t tmpfs -o mode=755 tmpfs /etc
for path in /run/etc/* /run/etc/.[!.]*; do
  [ -e "$path" ] || [ -L "$path" ] || continue
  ln -s "$path" /etc/
done
rm -f /etc/hosts /etc/resolv.conf /etc/nsswitch.conf /etc/passwd /etc/netns
printf '%s\\n' "$resolv" > /etc/resolv.conf
for name in hosts nsswitch.conf passwd; do cat "/run/etc/$name" > "/etc/$name" 2>/dev/null || : > "/etc/$name"; done
exec "$@"
`

const command = process.argv.slice(2)
if (command.length === 0) {
  process.stderr.write('usage: node test/world/enter.ts COMMAND [ARGUMENTS]\n')
  process.exit(2)
}

const child = spawn('unshare', ['-Urnm', 'sh', '-c', PREPARE, 'sh', ...command], {
  env: commandEnv(),
  stdio: 'inherit',
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  process.stderr.write(`enter: ${error.message}\n`)
  process.exit(1)
})
child.on('exit', (code) => process.exit(code ?? 1))
