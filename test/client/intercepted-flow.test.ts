import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { tunnelFlow } from '../../client/intercepted-flow.ts'
import type { InterceptedFlow, Refusal } from '../../client/interception/interception-api.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../shared/base/fault-codes.ts'
import { SocketLog, SocketPairs } from '../support/socket-pair.ts'
import { TestDirectFlow } from '../support/test-direct-flow.ts'
import { type TestTunnel, TunnelConnector } from '../support/tunnel-connector.ts'
import { until } from '../support/until.ts'

/** A program that waits for its connection. */
class TestFlow implements InterceptedFlow {
  readonly source = { address: Uint8Array.of(192, 168, 1, 5), port: 40_000 }
  readonly destination = { address: Uint8Array.of(93, 184, 216, 34), port: 443 }
  readonly uid = 1000
  readonly sockets = []
  readonly forwarded = undefined
  readonly verdicts: string[] = []
  onSocket: ((socket: Socket | undefined) => void) | undefined

  admit(onSocket: (socket: Socket | undefined) => void): void {
    this.verdicts.push('admit')
    this.onSocket = onSocket
  }

  refuse(how: Refusal): void {
    this.verdicts.push(how)
  }

  direct(): TestDirectFlow {
    this.verdicts.push('direct')
    return new TestDirectFlow()
  }
}

const UNKNOWN = Promise.resolve(undefined)
const pairs = new SocketPairs()
let flow: TestFlow
let tunnel: TestTunnel

beforeEach(() => {
  flow = new TestFlow()
  const connector = new TunnelConnector()
  tunnelFlow(flow, connector.connector, UNKNOWN)
  tunnel = connector.tunnels[0] as TestTunnel
})

afterEach(() => pairs.close())

describe('an intercepted connection', () => {
  test('goes to where the program wanted, and is not admitted before somebody is there', () => {
    expect([tunnel.target, tunnel.by]).toEqual([{ kind: 'ip', ...flow.destination }, 'intercepted'])
    expect(flow.verdicts).toEqual([])
    tunnel.sink.opened(4)
    expect(flow.verdicts).toEqual(['admit'])
  })

  test('brings along whose it is, and does not wait for the answer', () => {
    const connector = new TunnelConnector()
    const never = new Promise<undefined>(() => {})
    tunnelFlow(flow, connector.connector, never)
    const [opened] = connector.tunnels
    expect(opened?.app).toBe(never)
    opened?.sink.opened(4)
    expect(flow.verdicts).toEqual(['admit'])
  })

  test('carries bytes both ways, also those that came before the program was let through', async () => {
    tunnel.sink.opened(4)
    tunnel.sink.data(utf8('banner'), 600)
    tunnel.sink.finished()
    expect(tunnel.released).toBe(0)
    const { near, far } = await pairs.make()
    flow.onSocket?.(near)
    const log = new SocketLog(far)
    await until(() => log.ended)
    expect([log.text, tunnel.released]).toEqual(['banner', 600])
    far.end('thanks')
    await until(() => tunnel.calls.includes('finish'))
    expect(tunnel.text).toBe('thanks')
  })

  test('that is over before the program is let through ends as it was: by a reset, or cleanly', async () => {
    for (const fault of [new Fault('connection-reset'), undefined]) {
      const other = new TestFlow()
      const connector = new TunnelConnector()
      tunnelFlow(other, connector.connector, UNKNOWN)
      const { sink } = connector.tunnels[0] as TestTunnel
      sink.opened(4)
      sink.data(utf8('x'), 1)
      if (fault === undefined) sink.finished()
      sink.closed(fault)
      const { near, far } = await pairs.make()
      const log = new SocketLog(far)
      other.onSocket?.(near)
      await until(() => log.closed || log.ended)
      expect(log.error).toBe(fault === undefined ? undefined : 'ECONNRESET')
    }
  })

  test('whose program has gone is reset', () => {
    tunnel.sink.opened(4)
    flow.onSocket?.(undefined)
    expect(tunnel.calls).toEqual(['reset'])
  })

  test.each([
    ['connection-refused', 'reset'],
    ['connection-reset', 'reset'],
    ['policy-refused', 'reset'],
    ['destination-forbidden', 'reset'],
    ['rule-blocked', 'reset'],
    ['wish-unmet', 'reset'],
    ['rule-dropped', 'drop'],
    ['host-unreachable', 'unreachable'],
    ['network-unreachable', 'unreachable'],
    ['family-refused', 'unreachable'],
    ['path-no-exit', 'unreachable'],
    ['connect-timeout', 'drop'],
    ['map-expired', 'unreachable'],
    ['cancelled', 'unreachable'],
  ] as const)('that fails because of %s: the program gets %s', (code, refusal) => {
    tunnel.sink.closed(new Fault(code))
    expect(flow.verdicts).toEqual([refusal])
  })

  test('is never let through, whatever goes wrong before it is open', () => {
    for (const code of [...Object.keys(FAULTS), undefined] as (FaultCode | undefined)[]) {
      const other = new TestFlow()
      const connector = new TunnelConnector()
      tunnelFlow(other, connector.connector, UNKNOWN)
      connector.tunnels[0]?.sink.closed(code === undefined ? undefined : new Fault(code))
      expect(other.verdicts).toHaveLength(1)
      expect(other.verdicts).not.toContain('admit')
    }
  })
})
