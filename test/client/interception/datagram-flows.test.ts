import { beforeEach, describe, expect, test } from '@jest/globals'
import { DatagramFlows, IDLE_MS } from '../../../client/interception/datagram-flows.ts'
import type { DatagramRoute } from '../../../client/interception/datagram-listener.ts'
import type { FlowEndpoint, ProgramSocket, SeenFlow } from '../../../client/interception/interception-api.ts'
import { utf8 } from '../../../shared/base/bytes.ts'
import { formatEndpoint, parseIp } from '../../../shared/base/ip-address.ts'

const APP = end('198.18.0.2', 40_000)
const OTHER_APP = end('198.18.0.2', 40_001)
const WEB = end('93.184.216.34', 443)
const NAMES = end('1.1.1.1', 53)
const MAX_FLOWS = 4

/** The kernel as the flows see it: which flow comes which way, and what was done with it. */
class Kernel {
  now = 0
  readonly ways = new Map<number, { source: FlowEndpoint; destination: FlowEndpoint }>()
  readonly log: string[] = []
  lookUps = 0
  readonly flows = new DatagramFlows(MAX_FLOWS, {
    now: () => this.now,
    identify: ({ peerPort }) => {
      this.lookUps++
      return this.ways.get(peerPort)
    },
    forget: ({ peerPort }) => {
      this.ways.delete(peerPort)
      this.log.push(`forget ${peerPort}`)
    },
    send: ({ peerPort }, bytes, onGone) => {
      if (this.ways.has(peerPort)) this.log.push(`send ${peerPort} ${Buffer.from(bytes)}`)
      else onGone()
    },
    inject: (from, to, bytes) => this.log.push(`inject ${text(from)} ${text(to)} ${Buffer.from(bytes)}`),
    undelivered: (from, to, why) => this.log.push(`undelivered ${text(from)} ${text(to)} ${why}`),
  })

  readonly sockets: ProgramSocket[] = []

  admit(source: FlowEndpoint, destination: FlowEndpoint, uid = 0, group = ''): boolean {
    const facts: SeenFlow = { source, destination, uid, sockets: [], forwarded: undefined }
    return this.flows.admit(
      facts,
      (socket) => {
        const name = String.fromCharCode(97 + this.sockets.length)
        this.sockets.push(socket)
        return {
          datagram: (to, bytes) => this.log.push(`${name} ${text(to)} ${Buffer.from(bytes)}`),
          closed: () => this.log.push(`${name} closed`),
        }
      },
      group,
    )
  }

  /** The first datagram of an admitted flow, and the way that the kernel gave to it. */
  begin(source: FlowEndpoint, destination: FlowEndpoint, way: number, uid = 0): void {
    this.admit(source, destination, uid)
    this.ways.set(way, { source, destination })
    this.arrive(way, 'first')
  }

  arrive(way: number, bytes: string): void {
    this.flows.handle(route(way), utf8(bytes))
  }
}

let kernel: Kernel
beforeEach(() => {
  kernel = new Kernel()
})

describe('a redirected datagram', () => {
  test('reaches the taker of its socket with the destination that the program wanted', () => {
    kernel.begin(APP, WEB, 40_000)
    kernel.begin(APP, NAMES, 20_329) // the kernel has changed the port
    kernel.arrive(40_000, 'more')
    expect(kernel.log).toEqual(['a 93.184.216.34:443 first', 'a 1.1.1.1:53 first', 'a 93.184.216.34:443 more'])
    expect(kernel.sockets).toHaveLength(1)
  })

  test('is asked about once, and again only when another flow was admitted', () => {
    kernel.begin(APP, WEB, 40_000)
    for (let i = 0; i < 10; i++) kernel.arrive(40_000, 'x')
    expect(kernel.lookUps).toBe(1)
    kernel.begin(OTHER_APP, WEB, 40_001)
    kernel.arrive(40_000, 'x')
    expect(kernel.lookUps).toBe(3)
  })

  test('of a way that the kernel has given to another flow does not reach the old one', () => {
    kernel.begin(APP, WEB, 20_329)
    kernel.begin(OTHER_APP, NAMES, 20_329)
    kernel.log.length = 0
    kernel.sockets[0]?.reply(WEB, utf8('late'))
    kernel.arrive(20_329, 'x')
    expect(kernel.log).toEqual(['b 1.1.1.1:53 x'])
  })

  test('that nobody has admitted is forgotten by the kernel, so that its next one is judged', () => {
    kernel.ways.set(1, { source: APP, destination: WEB })
    kernel.arrive(1, 'x')
    expect(kernel.log).toEqual(['forget 1'])
    kernel.arrive(2, 'unknown even to the kernel')
    expect(kernel.log).toEqual(['forget 1', 'forget 2'])
  })

  test('of another user at the same port has another taker, and the first one ends', () => {
    kernel.begin(APP, WEB, 1, 1000)
    kernel.begin(APP, NAMES, 2, 1001)
    expect(kernel.log).toEqual(['a 93.184.216.34:443 first', 'forget 1', 'a closed', 'b 1.1.1.1:53 first'])
  })

  test('of another group has another taker', () => {
    kernel.admit(APP, WEB)
    kernel.admit(APP, NAMES, 0, 'names')
    expect(kernel.sockets).toHaveLength(2)
  })
})

describe('an answer', () => {
  test('goes back the way that the datagram came', () => {
    kernel.begin(APP, WEB, 1)
    kernel.begin(APP, NAMES, 2)
    kernel.log.length = 0
    kernel.sockets[0]?.reply(NAMES, utf8('n'))
    kernel.sockets[0]?.reply(WEB, utf8('w'))
    expect(kernel.log).toEqual(['send 2 n', 'send 1 w'])
  })

  test('of somebody whom the program has not addressed is brought in his name', () => {
    kernel.begin(APP, WEB, 1)
    kernel.log.length = 0
    kernel.sockets[0]?.reply(NAMES, utf8('n'))
    expect(kernel.log).toEqual(['inject 1.1.1.1:53 198.18.0.2:40000 n'])
  })

  test('comes no more when the kernel has forgotten the flow, by whomever it is', () => {
    kernel.begin(APP, WEB, 1)
    kernel.ways.clear()
    kernel.log.length = 0
    kernel.sockets[0]?.reply(WEB, utf8('w'))
    kernel.sockets[0]?.reply(NAMES, utf8('n'))
    expect(kernel.log).toEqual([])
    kernel.begin(APP, WEB, 3)
    kernel.sockets[0]?.reply(WEB, utf8('w'))
    expect(kernel.log).toEqual(['a 93.184.216.34:443 first', 'send 3 w'])
  })

  test('before the first datagram is here goes nowhere', () => {
    kernel.admit(APP, WEB)
    kernel.sockets[0]?.reply(WEB, utf8('w'))
    kernel.sockets[0]?.reply(NAMES, utf8('n'))
    expect(kernel.log).toEqual([])
  })
})

describe('a socket', () => {
  test('that is closed is forgotten with all its flows, and its taker is not told', () => {
    kernel.begin(APP, WEB, 1)
    kernel.begin(APP, NAMES, 2)
    kernel.log.length = 0
    kernel.sockets[0]?.close()
    kernel.sockets[0]?.close()
    kernel.sockets[0]?.reply(WEB, utf8('w'))
    expect(kernel.log).toEqual(['forget 1', 'forget 2'])
    expect(kernel.flows.size).toBe(0)
  })

  test('that is closed while it is opened takes nothing', () => {
    const facts = { source: APP, destination: WEB, uid: 0, sockets: [], forwarded: undefined }
    const taker = { datagram: () => kernel.log.push('datagram'), closed: () => kernel.log.push('closed') }
    kernel.flows.admit(facts, (socket) => {
      socket.close()
      return taker
    })
    kernel.ways.set(1, { source: APP, destination: WEB })
    kernel.arrive(1, 'x')
    expect(kernel.log).toEqual(['forget 1'])
  })

  test('ends when its last flow was silent for long', () => {
    kernel.begin(APP, WEB, 1)
    kernel.now = 1_000
    kernel.begin(APP, NAMES, 2)
    kernel.log.length = 0
    kernel.now = IDLE_MS
    kernel.flows.tick()
    expect([kernel.log, kernel.flows.size]).toEqual([[], 1])
    kernel.sockets[0]?.reply(NAMES, utf8('n'))
    kernel.now = IDLE_MS + 1_000
    kernel.flows.tick()
    expect(kernel.flows.size).toBe(1)
    kernel.now = 2 * IDLE_MS
    kernel.flows.tick()
    expect([kernel.log, kernel.flows.size]).toEqual([['send 2 n', 'a closed'], 0])
  })

  test('ends with interception', () => {
    kernel.begin(APP, WEB, 1)
    kernel.flows.clear()
    expect(kernel.log.at(-1)).toBe('a closed')
    expect(kernel.flows.size).toBe(0)
  })
})

test('a program is told that its own flows fail, as long as the kernel knows them', () => {
  kernel.begin(APP, WEB, 1)
  const [socket] = kernel.sockets
  expect([WEB, NAMES].map((peer) => socket?.hasAddressed(peer))).toEqual([true, false])
  kernel.log.length = 0
  socket?.undelivered(WEB, 'refused')
  socket?.undelivered(NAMES, 'refused')
  kernel.ways.clear()
  socket?.undelivered(WEB, 'refused')
  expect(kernel.log).toEqual([`undelivered ${text(APP)} ${text(WEB)} refused`])
})

test('a flow that is forgotten is judged again, without the others; a socket without flows is over', () => {
  kernel.begin(APP, WEB, 1)
  kernel.begin(APP, NAMES, 2)
  const [socket] = kernel.sockets
  kernel.log.length = 0
  socket?.forget(WEB)
  socket?.forget(WEB)
  expect([WEB, NAMES].map((peer) => socket?.hasAddressed(peer))).toEqual([false, true])
  kernel.arrive(2, 'more')
  expect(kernel.log).toEqual(['forget 1', `a ${text(NAMES)} more`])
  socket?.forget(NAMES)
  expect(kernel.log.slice(2)).toEqual(['forget 2', 'a closed'])
})

test('the limit of flows holds: one more is refused, one that is known is not', () => {
  for (let i = 0; i < MAX_FLOWS; i++) expect(kernel.admit(APP, { ...WEB, port: i + 1 })).toBe(true)
  expect(kernel.admit(APP, { ...WEB, port: 99 })).toBe(false)
  expect(kernel.admit(OTHER_APP, WEB)).toBe(false)
  expect(kernel.admit(APP, { ...WEB, port: 1 })).toBe(true)
  expect(kernel.flows.size).toBe(MAX_FLOWS)
  expect(kernel.sockets).toHaveLength(1)
})

function route(peerPort: number): DatagramRoute {
  return { local: '127.0.0.1', peer: '198.18.0.2', peerPort }
}

function text({ address, port }: FlowEndpoint): string {
  return formatEndpoint(address, port)
}

function end(address: string, port: number): FlowEndpoint {
  const parsed = parseIp(address)
  if (parsed === undefined) throw new Error(address)
  return { address: parsed, port }
}
