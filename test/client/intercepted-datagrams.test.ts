import { describe, expect, test } from '@jest/globals'
import { type DatagramCircuitSink, tunnelDatagrams } from '../../client/intercepted-datagrams.ts'
import type {
  DatagramTaker,
  FlowEndpoint,
  InterceptedDatagrams,
  ProgramSocket,
  Refusal,
} from '../../client/interception/interception-api.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { formatEndpoint, parseIp } from '../../shared/base/ip-address.ts'
import { isPublicIp } from '../../shared/base/ip-scope.ts'
import { TestDirectFlow } from '../support/test-direct-flow.ts'

const WEB = end('93.184.216.34', 443)

class TestDatagrams implements InterceptedDatagrams {
  readonly source = end('192.168.1.5', 40_000)
  readonly destination: FlowEndpoint
  readonly uid = 1000
  readonly forwarded = undefined
  readonly sockets = []
  readonly verdicts: string[] = []
  readonly replies: string[] = []
  readonly addressed = new Set<string>()
  closed = 0
  taker: DatagramTaker | undefined

  constructor(destination: FlowEndpoint) {
    this.destination = destination
  }

  admit(open: (socket: ProgramSocket) => DatagramTaker): void {
    this.verdicts.push('admit')
    this.taker = open({
      source: this.source,
      reply: ({ address, port }, bytes) => this.replies.push(`${formatEndpoint(address, port)} ${Buffer.from(bytes)}`),
      hasAddressed: ({ address, port }) => this.addressed.has(formatEndpoint(address, port)),
      undelivered: ({ address, port }, why) => this.replies.push(`${formatEndpoint(address, port)} is ${why}`),
      forget: ({ address, port }) => this.replies.push(`${formatEndpoint(address, port)} is forgotten`),
      close: () => this.closed++,
    })
  }

  refuse(how: Refusal): void {
    this.verdicts.push(how)
  }

  direct(): TestDirectFlow {
    this.verdicts.push('direct')
    return new TestDirectFlow()
  }
}

function tunnelled(flow: TestDatagrams) {
  const calls: string[] = []
  const strangers: (() => void)[] = []
  const sinks: DatagramCircuitSink[] = []
  tunnelDatagrams(flow, {
    isPublic: (address) => isPublicIp(address, []),
    openCircuit: (sink) => {
      sinks.push(sink)
      return {
        send: (address, port, bytes) => calls.push(`${formatEndpoint(address, port)} ${Buffer.from(bytes)}`),
        close: () => calls.push('close'),
      }
    },
    onStranger: ({ address, port }, letIn) => {
      calls.push(`stranger ${formatEndpoint(address, port)}`)
      strangers.push(letIn)
    },
  })
  return { calls, sinks, strangers }
}

describe('intercepted datagrams', () => {
  test('go into a circuit, and answers go to the program', () => {
    const flow = new TestDatagrams(WEB)
    const { calls, sinks } = tunnelled(flow)
    flow.addressed.add('93.184.216.34:443')
    flow.taker?.datagram(WEB, utf8('hello'))
    flow.taker?.datagram(end('1.1.1.1', 53), utf8('other'))
    sinks[0]?.datagram(WEB.address, WEB.port, utf8('answer'))
    expect(flow.verdicts).toEqual(['admit'])
    expect(calls).toEqual(['93.184.216.34:443 hello', '1.1.1.1:53 other'])
    expect(flow.replies).toEqual(['93.184.216.34:443 answer'])
  })

  test('of a stranger come in if he is let in', () => {
    const flow = new TestDatagrams(WEB)
    const { calls, sinks, strangers } = tunnelled(flow)
    flow.addressed.add('93.184.216.34:443')
    for (const port of [443, 444]) sinks[0]?.datagram(WEB.address, port, utf8(`from ${port}`))
    expect(flow.replies).toEqual(['93.184.216.34:443 from 443'])
    expect(calls).toEqual(['stranger 93.184.216.34:444'])
    strangers[0]?.()
    expect(flow.replies.at(-1)).toBe('93.184.216.34:444 from 444')
  })

  test.each([
    ['connection-refused', 'refused'],
    ['host-unreachable', 'unreachable'],
    ['policy-refused', 'prohibited'],
    ['wish-unmet', 'prohibited'],
    ['circuit-closed', undefined],
  ] as const)('that fail by %s: the program is told that the destination is %s', (code, told) => {
    const wanted = told === undefined ? [] : [`93.184.216.34:443 is ${told}`]
    const byPeer = new TestDatagrams(WEB)
    tunnelled(byPeer).sinks[0]?.error({ kind: 'ip', ...WEB }, code)
    expect(byPeer.replies).toEqual(wanted)
    const byCircuit = new TestDatagrams(end('1.1.1.1', 53))
    const { sinks } = tunnelled(byCircuit)
    byCircuit.taker?.datagram(WEB, utf8('hello'))
    sinks[0]?.closed(new Fault(code))
    expect(byCircuit.replies).toEqual(wanted)
  })

  test('end with their program, and go on in another circuit when theirs has ended', () => {
    const flow = new TestDatagrams(WEB)
    const { calls, sinks } = tunnelled(flow)
    sinks[0]?.closed(new Fault('circuit-closed'))
    flow.taker?.datagram(WEB, utf8('again'))
    expect([calls, flow.closed]).toEqual([['93.184.216.34:443 again'], 0])
    flow.taker?.closed()
    expect(calls.at(-1)).toBe('close')
  })

  test.each(['192.168.1.1', '169.254.169.254', 'ff02::fb', '224.0.0.251', 'fe80::1'])(
    'to %s are refused, and nothing is opened for them',
    (address) => {
      const flow = new TestDatagrams(end(address, 443))
      const { sinks } = tunnelled(flow)
      expect([flow.verdicts, sinks]).toEqual([['reset'], []])
    },
  )
})

function end(address: string, port: number): FlowEndpoint {
  const parsed = parseIp(address)
  if (parsed === undefined) throw new Error(address)
  return { address: parsed, port }
}
