import { chmodSync, chownSync, copyFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from './command.ts'
import { type Destination, destinationFolder } from './destinations.ts'
import type { Host } from './host.ts'
import { VISITOR } from './name-files.ts'
import { inUserNamespace } from './support.ts'

const PORT = 22

export interface SshDestination extends Destination {
  /** Arguments for `ssh` up to and with the destination; what follows is the command to run there. */
  readonly args: readonly string[]
}

/**
 * An ssh server with keys of its own that lets in one user with one key. It runs as that user, so it needs no PAM, no
 * folder in /run and no change of user; the client's arguments make it insist on the server's key.
 */
export async function serveSsh(world: { readonly folder: string }, host: Host): Promise<SshDestination> {
  const folder = destinationFolder(world.folder, 'ssh')
  chmodSync(folder, 0o755)
  const file = (name: string): string => join(folder, name)
  for (const name of ['host', 'visitor']) {
    await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file(name)])
  }
  const hostKey = (await mustRun('cat', [file('host.pub')])).trim()
  writeFileSync(file('known_hosts'), `* ${hostKey}\n`)
  copyFileSync(file('visitor.pub'), file('authorized'))
  writeFileSync(file('config'), serverConfig(file('host'), file('authorized')))
  const process = startServer(host, folder)
  await process.line(/Server listening on :: port/)
  return { process, name: host.dnsName, port: PORT, args: clientArgs(folder, host.dnsName) }
}

/** Makes a file or a folder with all that is in it the visitor's, as the server and what it starts want it. */
export function giveToVisitor(path: string): void {
  if (inUserNamespace()) return // one user is everybody
  chownSync(path, VISITOR.uid, VISITOR.uid)
  if (!statSync(path).isDirectory()) return
  for (const name of readdirSync(path)) giveToVisitor(join(path, name))
}

function serverConfig(hostKey: string, authorized: string): string {
  return `
Port ${PORT}
ListenAddress 0.0.0.0
ListenAddress ::
HostKey ${hostKey}
AuthorizedKeysFile ${authorized}
AuthenticationMethods publickey
UsePAM no
UseDNS no
StrictModes no
PrintMotd no
PidFile none
Subsystem sftp internal-sftp
`
}

function startServer(host: Host, folder: string): Destination['process'] {
  // sshd starts itself again for each connection, so it wants to be called by its full path.
  const command = ['sh', '-c', 'exec "$(command -v sshd)" -D -e -f "$0"', join(folder, 'config')]
  if (inUserNamespace()) {
    // There is one user only, called root, and as root it would try to become others: so it gets another name.
    return host.spawn('unshare', ['-U', `--map-user=${VISITOR.uid}`, `--map-group=${VISITOR.uid}`, '--', ...command])
  }
  for (const name of ['host', 'config', 'authorized']) giveToVisitor(join(folder, name))
  const [program = '', ...args] = command
  return host.spawn(program, args, { uid: VISITOR.uid, gid: VISITOR.uid })
}

function clientArgs(folder: string, name: string): string[] {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${folder}/known_hosts`,
  ]
  return [
    '-F',
    'none',
    '-i',
    join(folder, 'visitor'),
    ...options.flatMap((option) => ['-o', option]),
    `${VISITOR.name}@${name}`,
  ]
}
