import { beforeEach, describe, expect, test } from '@jest/globals'
import {
  type EchoCircuitSink,
  EchoTunnels,
  MAX_ECHO_CIRCUITS,
  MAX_UNANSWERED,
} from '../../client/intercepted-echoes.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { formatIp, parseIp } from '../../shared/base/ip-address.ts'
import { isPublicIp } from '../../shared/base/ip-scope.ts'
import { TestDirectFlow } from '../support/test-direct-flow.ts'

let log: string[]
let sinks: EchoCircuitSink[]
let tunnels: EchoTunnels

beforeEach(() => {
  log = []
  sinks = []
  tunnels = new EchoTunnels({
    isPublic: (address) => isPublicIp(address, []),
    openCircuit: (destination, sink) => {
      const number = sinks.push(sink)
      log.push(`open ${number} ${formatIp(destination)}`)
      return {
        send: (sequence, bytes) => log.push(`send ${number} ${sequence} ${Buffer.from(bytes)}`),
        close: () => log.push(`close ${number}`),
      }
    },
  })
})

function ping(sequence: number, { to = '93.184.216.34', identifier = 7 } = {}): void {
  const name = `${identifier}/${sequence}`
  tunnels.handle({
    source: parseIp('192.168.1.5')!,
    destination: parseIp(to)!,
    ...{ uid: 1000, sockets: [], forwarded: undefined, identifier, sequence, bytes: utf8('payload') },
    answer: (bytes) => log.push(`answer ${name} ${Buffer.from(bytes)}`),
    refuse: (how) => log.push(`${how} ${name}`),
    direct: () => {
      log.push(`direct ${name}`)
      return new TestDirectFlow()
    },
  })
}

describe('a ping', () => {
  test('has one circuit, and each answer comes to its own request', () => {
    ping(1)
    ping(2)
    sinks[0]?.reply(2, utf8('b'))
    sinks[0]?.reply(1, utf8('a'))
    sinks[0]?.reply(1, utf8('again'))
    sinks[0]?.reply(9, utf8('stranger'))
    expect(log).toEqual([
      'open 1 93.184.216.34',
      'send 1 1 payload',
      'send 1 2 payload',
      'answer 7/2 b',
      'answer 7/1 a',
    ])
  })

  test('that nobody answers waits with its last requests only', () => {
    for (let sequence = 0; sequence < MAX_UNANSWERED; sequence++) ping(sequence)
    expect(log.filter((line) => line.startsWith('drop'))).toEqual([])
    ping(MAX_UNANSWERED)
    ping(1)
    ping(MAX_UNANSWERED + 1)
    expect(log.filter((line) => line.startsWith('drop'))).toEqual(['drop 7/0', 'drop 7/1', 'drop 7/2'])
    sinks[0]?.reply(2, utf8('late'))
    expect(log.filter((line) => line.startsWith('answer'))).toEqual([])
  })

  test('of another program, or to another place, has another circuit', () => {
    ping(1)
    ping(1, { identifier: 8 })
    ping(1, { to: '1.1.1.1' })
    sinks[1]?.reply(1, utf8('b'))
    expect(log.filter((line) => /open|answer/.test(line))).toEqual([
      'open 1 93.184.216.34',
      'open 2 93.184.216.34',
      'open 3 1.1.1.1',
      'answer 8/1 b',
    ])
  })

  test('whose circuit ends learns it, and the next request opens another', () => {
    ping(1)
    ping(2)
    sinks[0]?.reply(1, utf8('a'))
    sinks[0]?.closed()
    sinks[0]?.closed()
    ping(3)
    sinks[0]?.closed()
    expect(log.slice(4)).toEqual(['unreachable 7/2', 'open 2 93.184.216.34', 'send 2 3 payload'])
  })

  test('that repeats a number gives the first one up', () => {
    ping(1)
    ping(1)
    sinks[0]?.reply(1, utf8('a'))
    expect(log.slice(2)).toEqual(['drop 7/1', 'send 1 1 payload', 'answer 7/1 a'])
  })

  test.each(['192.168.1.1', '127.0.0.1', '169.254.169.254', 'fe80::1', 'ff02::1'])('to %s is refused', (to) => {
    ping(1, { to })
    expect(log).toEqual(['reset 7/1'])
  })
})

test('the limit of pings holds: the oldest ends for one more', () => {
  for (let identifier = 0; identifier <= MAX_ECHO_CIRCUITS; identifier++) ping(1, { identifier })
  expect(log.filter((line) => /close|unreachable/.test(line))).toEqual(['close 1', 'unreachable 0/1'])
  expect(sinks).toHaveLength(MAX_ECHO_CIRCUITS + 1)
})
