/**
 * A client that only intercepts, for tests: `interception-driver.ts OPTIONS`, run as the own group of the rules. What it
 * does with a flow depends on the port it wants to go to (DRIVER_PORTS). Says in lines of JSON what happens, and takes
 * the commands {"close": true}, {"keep": true} (close, but keep the rules), {"break": true} (ends the queue's thread), {"pid": true},
 * {"count": true} (how many packets of other protocols were refused), {"open": seconds} (a pause; 0 ends it) and
 * {"open": seconds, "portal": addresses}.
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Worker } from 'node:worker_threads'
import { countOtherProtocols } from '../../../client/interception/firewall.ts'
import { LinuxInterception } from '../../../client/interception/interception.ts'
import type {
  DnsAsked,
  InterceptedDatagrams,
  InterceptedEcho,
  InterceptedFlow,
  Refusal,
  SeenFlow,
} from '../../../client/interception/interception-api.ts'
import { loadNative } from '../../../client/native/native.ts'
import type { Opening } from '../../../client/protection/exemptions.ts'
import { GuardedFirewall } from '../../../client/protection/guarded-firewall.ts'
import { asFault } from '../../../shared/base/fault.ts'
import { formatEndpoint, formatIp, parseIp, parseRange } from '../../../shared/base/ip-address.ts'
import { type Log, silentLog } from '../../../shared/base/log.ts'
import { DRIVER_PORTS, LATE_MS } from './driver-ports.ts'

const SLOW_MS = 800

const given = JSON.parse(process.argv[2] ?? '{}') as {
  readonly queueNum: number
  readonly redirectPort: number
  readonly gid: number
  readonly direct: readonly string[]
  /** Answers questions for names itself, but for those to resolvers in these networks. */
  readonly resolvers?: readonly string[]
  /** Answers requests for an echo, but refuses those to the addresses here. */
  readonly echoes?: Readonly<Record<string, Refusal | 'direct'>>
  /** Only removes the rules of an earlier run. */
  readonly remove?: boolean
  /** As on a kernel that can not end sockets of others (without INET_DIAG_DESTROY). */
  readonly keepsSockets?: boolean
}
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

if (given.keepsSockets === true) {
  const native = loadNative()
  class KeepingSocketDiag extends native.SocketDiag {
    override destroy(): boolean {
      throw Object.assign(new Error('sockets can not be ended'), { code: 'EOPNOTSUPP' })
    }
  }
  Object.assign(native, { SocketDiag: KeepingSocketDiag })
}

let sockets = 0
const workers: Worker[] = []
process.on('worker', (worker) => workers.push(worker))

const rules = {
  queueNum: given.queueNum,
  redirectPort: given.redirectPort,
  own: { gid: given.gid },
  directNetworks: given.direct.flatMap((text) => parseRange(text) ?? []),
  directResolvers: given.resolvers?.flatMap((text) => parseRange(text) ?? []),
}
const log: Log = { ...silentLog, warn: (warning, fields) => say({ warning, ...fields }), part: () => log }
const interception = new LinuxInterception(rules, {
  firewall: new GuardedFirewall(rules, log),
  onFlow: handle,
  onDatagrams: handleDatagrams,
  onDns: given.resolvers && answerName,
  onEcho: given.echoes && answerEcho,
  onFailure: (fault) => say({ failure: fault.code }),
})

try {
  if (given.remove === true) await LinuxInterception.removeRules()
  else await interception.start()
  say(given.remove === true ? { removed: true } : { started: true })
  for await (const line of createInterface({ input: process.stdin })) await obey(JSON.parse(line))
} catch (error) {
  say({ fault: asFault(error).code, text: asFault(error).message, cause: String(asFault(error).cause) })
}
process.exit()

interface Command {
  readonly close?: boolean
  readonly keep?: boolean
  readonly break?: boolean
  readonly pid?: boolean
  readonly count?: boolean
  readonly open?: number
  readonly portal?: readonly string[]
}

async function obey(command: Command) {
  if (command.open !== undefined) {
    const untilMs = Date.now() + command.open * 1_000
    const addresses = command.portal?.flatMap((text) => parseIp(text) ?? [])
    const opening: Opening =
      addresses === undefined ? { kind: 'everything', untilMs } : { kind: 'portal', untilMs, addresses, resolvers: [] }
    await interception.open(command.open === 0 ? [] : [opening])
    say({ opened: untilMs })
  }
  if (command.break === true) await workers[0]?.terminate()
  if (command.pid === true) say({ pid: process.pid })
  if (command.count === true) say({ others: await countOtherProtocols() })
  if (command.close !== true && command.keep !== true) return
  await interception.close({ keepRules: command.keep === true })
  await interception.close()
  say({ closed: true })
}

function handle(flow: InterceptedFlow): void {
  const { destination } = flow
  const about = describe(flow)
  say({ flow: about })
  switch (destination.port) {
    case DRIVER_PORTS.reset:
      return flow.refuse('reset')
    case DRIVER_PORTS.unreachable:
      return flow.refuse('unreachable')
    case DRIVER_PORTS.drop:
      return flow.refuse('drop')
    case DRIVER_PORTS.undecided:
      return
    case DRIVER_PORTS.direct:
      flow.direct()
      return
    case DRIVER_PORTS.relay:
      return relay(flow)
    case DRIVER_PORTS.slow:
      setTimeout(() => answer(flow, about), SLOW_MS)
      return
    default:
      return answer(flow, about)
  }
}

function describe({ source, destination, uid, forwarded }: SeenFlow) {
  return {
    source: formatEndpoint(source.address, source.port),
    destination: formatEndpoint(destination.address, destination.port),
    uid,
    ...(forwarded === undefined ? {} : { guest: forwarded.interface }),
  }
}

/** Answers with the question turned round, and what was understood of it. A question "none" gets no answer. */
async function answerName(asked: DnsAsked): Promise<Uint8Array> {
  const query = Buffer.from(asked.query).toString()
  const about = { ...describe(asked), transport: asked.transport, query }
  say({ asked: about })
  if (query === 'none') throw new Error('no answer')
  return Buffer.from(JSON.stringify(about))
}

function answerEcho(request: InterceptedEcho): void {
  const { source, destination, uid, forwarded, sequence, bytes } = request
  const to = formatIp(destination)
  say({ echo: { source: formatIp(source), destination: to, uid, guest: forwarded?.interface, sequence } })
  const refusal = given.echoes?.[to]
  if (refusal === undefined) request.answer(bytes)
  else if (refusal === 'direct') request.direct()
  else request.refuse(refusal)
}

/** Answers each datagram with what was understood of it. */
function handleDatagrams(flow: InterceptedDatagrams): void {
  const about = describe(flow)
  say({ datagrams: about })
  switch (flow.destination.port) {
    case DRIVER_PORTS.reset:
      return flow.refuse('reset')
    case DRIVER_PORTS.unreachable:
      return flow.refuse('unreachable')
    case DRIVER_PORTS.drop:
      return flow.refuse('drop')
    case DRIVER_PORTS.undecided:
      return
    case DRIVER_PORTS.direct:
      flow.direct()
      return
    case DRIVER_PORTS.slow:
      setTimeout(() => takeDatagrams(flow), SLOW_MS)
      return
    default:
      return takeDatagrams(flow)
  }
}

function takeDatagrams(flow: InterceptedDatagrams): void {
  flow.admit((socket) => {
    const number = ++sockets
    say({ socket: number, source: formatEndpoint(socket.source.address, socket.source.port) })
    return {
      datagram: (to, bytes) => {
        const about = { socket: number, to: formatEndpoint(to.address, to.port), text: Buffer.from(bytes).toString() }
        say({ datagram: about })
        const answer = Buffer.from(JSON.stringify(about))
        if (to.port === DRIVER_PORTS.late) setTimeout(() => socket.reply(to, answer), LATE_MS)
        else socket.reply(to, answer)
        if (to.port === DRIVER_PORTS.stranger) socket.reply({ ...to, port: to.port + 1 }, answer)
        if (to.port === DRIVER_PORTS.once) socket.close()
      },
      closed: () => say({ socketClosed: number }),
    }
  })
}

/** Tells the program what was understood of its connection. */
function answer(flow: InterceptedFlow, about: object): void {
  flow.admit((socket) => {
    say({ arrived: about, socket: socket !== undefined })
    // What was not read would make the end a reset.
    socket?.resume().end(JSON.stringify(about))
  })
}

/** Connects by itself, as the own group, and lets the program through when that succeeded. */
function relay(flow: InterceptedFlow): void {
  const { address, port } = flow.destination
  const out = connect({ host: formatIp(address), port, allowHalfOpen: true })
  out.once('error', () => flow.refuse('reset'))
  out.once('connect', () =>
    flow.admit((socket) => {
      if (socket === undefined) {
        out.destroy()
        return
      }
      socket.pipe(out).pipe(socket)
      socket.on('error', () => out.destroy())
      out.on('error', () => socket.destroy())
    }),
  )
}
