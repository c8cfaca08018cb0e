import { describe, expect, test } from '@jest/globals'
import { ARRIVAL_MS, ExpectedFlows } from '../../../client/interception/expected-flows.ts'
import type { FlowEndpoint } from '../../../client/interception/interception-api.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'

const APP = end('198.18.0.2', 50_000)
const WEB = end('198.18.0.1', 443)
const OTHER = end('198.18.1.1', 443)
const nothingInstead = () => {
  throw new Error('nothing was there before')
}

describe('an expected flow', () => {
  test('is taken once', () => {
    const flows = new ExpectedFlows<string>(3)
    expect(flows.put(APP, WEB, 'a', 0, nothingInstead)).toBe(true)
    expect(flows.take(APP, WEB, 1)).toBe('a')
    expect(flows.take(APP, WEB, 1)).toBeUndefined()
  })

  test('is never mixed up with one of the same local port to another place', () => {
    const flows = new ExpectedFlows<string>(3)
    flows.put(APP, WEB, 'web', 0, nothingInstead)
    flows.put(APP, OTHER, 'other', 0, nothingInstead)
    expect(flows.take(APP, OTHER, 1)).toBe('other')
    expect(flows.take(APP, end('198.18.1.1', 80), 1)).toBeUndefined()
    expect(flows.take(end('198.18.0.3', 50_000), WEB, 1)).toBeUndefined()
    expect(flows.take(APP, WEB, 1)).toBe('web')
  })

  test('is found whether an address is written as IPv4 or as IPv4 in IPv6', () => {
    const flows = new ExpectedFlows<string>(3)
    flows.put(APP, WEB, 'a', 0, nothingInstead)
    const mapped = { address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 198, 18, 0, 2), port: 50_000 }
    expect(flows.take(mapped, WEB, 1)).toBe('a')
  })

  test('that does not come in time comes out late, and cannot be taken any more', () => {
    const flows = new ExpectedFlows<string>(3)
    flows.put(APP, WEB, 'a', 0, nothingInstead)
    flows.put(APP, OTHER, 'b', 1, nothingInstead)
    expect(flows.tick(ARRIVAL_MS - 1)).toEqual([])
    expect(flows.take(APP, WEB, ARRIVAL_MS)).toBeUndefined()
    expect(flows.tick(ARRIVAL_MS)).toEqual(['a'])
    expect(flows.clear()).toEqual(['b'])
    expect(flows.size).toBe(0)
  })

  test('gives way to a newer one of the same ends', () => {
    const flows = new ExpectedFlows<string>(1)
    const displaced: string[] = []
    flows.put(APP, WEB, 'old', 0, nothingInstead)
    expect(flows.put(APP, WEB, 'new', 1, (older) => displaced.push(older))).toBe(true)
    expect(displaced).toEqual(['old'])
    expect(flows.take(APP, WEB, 2)).toBe('new')
  })

  test('beyond the limit is refused', () => {
    const flows = new ExpectedFlows<number>(2)
    expect(flows.put(end('198.18.0.2', 1), WEB, 1, 0, nothingInstead)).toBe(true)
    expect(flows.put(end('198.18.0.2', 2), WEB, 2, 0, nothingInstead)).toBe(true)
    expect(flows.put(end('198.18.0.2', 3), WEB, 3, 0, nothingInstead)).toBe(false)
    expect(flows.size).toBe(2)
  })
})

function end(address: string, port: number): FlowEndpoint {
  return { address: parseIp(address)!, port }
}
