/**
 * Looks for apps, for tests: `app-driver.ts`, in a network and pid namespace of its own. Takes one command a line, and
 * answers each by a line with its id: {"find": QUERY} and {"diag": QUERY} with endpoints as [HOST, PORT], {"list": PROTOCOL},
 * {"destroy": QUERY} (of the first socket that fits), {"lastPid": PID} (the next process gets the one behind it),
 * {"burden": COUNT} (keeps the thread that searches busy for a while), {"break": true} (ends that thread),
 * {"spawn": [PROGRAM, ...], "uid"}, {"tell": COMMAND, "to": NAME}, {"kill": NAME}, {"listen": [HOST, PORT]}.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Worker } from 'node:worker_threads'
import { AppFinder } from '../../../client/apps/app-finder.ts'
import { type LocalSocket, loadNative } from '../../../client/native/native.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'

type End = readonly [host: string, port: number]

interface Query {
  readonly protocol: number
  readonly source: End
  readonly destination: End
  readonly uid?: number
  /** Numbers of inodes that were found by `diag` before. */
  readonly inodes?: readonly number[]
}

interface Command {
  readonly id: number
  readonly find?: Query
  readonly diag?: Query
  readonly list?: number
  readonly destroy?: Query
  readonly lastPid?: number
  readonly spawn?: readonly string[]
  readonly uid?: number
  readonly tell?: object
  readonly to?: number
  readonly kill?: number
  readonly listen?: End
  readonly burden?: number
  readonly break?: boolean
}

const workers: Worker[] = []
process.on('worker', (worker) => workers.push(worker))
const finder = new AppFinder({ onFailure: (fault) => say({ failure: fault.code }) })
const diag = new (loadNative().SocketDiag)()
const seen = new Map<number, LocalSocket>()
const children = new Map<number, { child: ChildProcess; lines: AsyncIterator<string> }>()
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

const endOf = ([host, port]: End) => ({ address: parseIp(host) ?? new Uint8Array(4), port })

function socketsOf({ protocol, source, destination }: Query): LocalSocket[] {
  const [from, to] = [endOf(source), endOf(destination)]
  const found = diag.find(protocol, from.address, from.port, to.address, to.port)
  for (const socket of found) seen.set(socket.inode, socket)
  return found
}

async function obey(command: Command): Promise<object> {
  if (command.find !== undefined) {
    const { protocol, source, destination, uid, inodes } = command.find
    const sockets = inodes?.flatMap((inode) => seen.get(inode) ?? [])
    const begin = performance.now()
    const app = await finder.find({ protocol, source: endOf(source), destination: endOf(destination), uid, sockets })
    return { app, ms: performance.now() - begin }
  }
  if (command.diag !== undefined) return { sockets: socketsOf(command.diag).map(({ inode, uid }) => ({ inode, uid })) }
  if (command.list !== undefined)
    return {
      sockets: diag
        .list(command.list)
        .map(({ inode, source, destination }) => ({ inode, ports: [source.port, destination.port] })),
    }
  if (command.destroy !== undefined) {
    const [socket] = socketsOf(command.destroy)
    if (socket === undefined) return { destroyed: false }
    const { protocol, source, destination } = command.destroy
    const [from, to] = [endOf(source), endOf(destination)]
    const end = (cookie: bigint) => diag.destroy(protocol, from.address, from.port, to.address, to.port, cookie)
    return { wrong: end(socket.cookie + 1n), destroyed: end(socket.cookie) }
  }
  if (command.lastPid !== undefined) writeFileSync('/proc/sys/kernel/ns_last_pid', `${command.lastPid}`)
  if (command.burden !== undefined) workers[0]?.postMessage(new Float64Array(3 * command.burden))
  if (command.break === true) await workers[0]?.terminate()
  if (command.listen !== undefined) {
    const server = createServer((socket) => socket.on('error', () => undefined))
    server.listen({ host: command.listen[0], port: command.listen[1] })
    await once(server, 'listening')
    return { port: (server.address() as AddressInfo).port }
  }
  if (command.spawn !== undefined) return start(command.spawn, command.uid)
  const child = children.get(command.to ?? command.kill ?? 0)
  if (child === undefined) return {}
  if (command.kill !== undefined) {
    const gone = once(child.child, 'exit')
    child.child.kill('SIGKILL')
    await gone
    return {}
  }
  child.child.stdin?.write(`${JSON.stringify(command.tell)}\n`)
  return { answer: JSON.parse((await child.lines.next()).value ?? '{"ended":true}') }
}

/** Names of programs are their pids, as this process sees them. */
async function start([program = '', ...args]: readonly string[], uid: number | undefined): Promise<object> {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  children.set(child.pid ?? 0, { child, lines })
  return { name: child.pid, hello: JSON.parse((await lines.next()).value ?? '{}') }
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command
  void obey(command).then(
    (answer) => say({ id: command.id, ...answer }),
    (error) => say({ id: command.id, error: String(error) }),
  )
}
process.exit()
