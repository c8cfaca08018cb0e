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

const WEB = end('93.184.216.34', 443)

class TestDatagrams implements InterceptedDatagrams {
  readonly source = end('192.168.1.5', 40_000)
  readonly destination: FlowEndpoint
  readonly uid = 1000
  readonly forwarded = undefined
  readonly sockets = []
  readonly verdicts: string[] = []
  readonly replies: string[] = []
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
      close: () => this.closed++,
    })
  }

  refuse(how: Refusal): void {
    this.verdicts.push(how)
  }

  direct(): void {
    this.verdicts.push('direct')
  }
}

function tunnelled(flow: TestDatagrams) {
  const calls: string[] = []
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
  })
  return { calls, sinks }
}

describe('intercepted datagrams', () => {
  test('go into a circuit, and what comes out of it goes to the program, whoever sent it', () => {
    const flow = new TestDatagrams(WEB)
    const { calls, sinks } = tunnelled(flow)
    flow.taker?.datagram(WEB, utf8('hello'))
    flow.taker?.datagram(end('1.1.1.1', 53), utf8('other'))
    const other = end('8.8.4.4', 99)
    sinks[0]?.datagram(other.address, other.port, utf8('stranger'))
    expect(flow.verdicts).toEqual(['admit'])
    expect(calls).toEqual(['93.184.216.34:443 hello', '1.1.1.1:53 other'])
    expect(flow.replies).toEqual(['8.8.4.4:99 stranger'])
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
