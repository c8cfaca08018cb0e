import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Opening } from '../../../client/protection/exemptions.ts'
import { MAX_MINUTES, Protection } from '../../../client/protection/protection.ts'
import { protectionCommand } from '../../../client/protection/protection-command.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../../shared/base/fault-codes.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'
import { silentLog } from '../../../shared/base/log.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const WALL = Date.UTC(2026, 10, 23, 12)
const MINUTE = 60_000

let clock: ManualClock
let wall: number
let opened: (readonly Opening[])[]
let failure: Fault | undefined
let protection: Protection

beforeEach(() => {
  clock = new ManualClock()
  wall = WALL
  opened = []
  failure = undefined
  protection = make()
  protection.handle({ kind: 'start' })
  protection.handle({ kind: 'ready' })
})

function make(intercepts = true): Protection {
  const open = async (openings: readonly Opening[]): Promise<void> => {
    if (failure !== undefined) throw failure
    opened.push(openings)
  }
  return new Protection({ clock, wallClock: () => wall, log: silentLog, open: intercepts ? open : undefined })
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

async function passed(ms: number, wallMs = ms): Promise<void> {
  clock.advance(ms)
  wall += wallMs
  protection.tick()
  await settled()
}

describe('a pause', () => {
  test('is in the firewall before the user is told so, and ends by itself', async () => {
    await protection.pause(5)
    expect(opened).toEqual([[{ kind: 'everything', untilMs: WALL + 5 * MINUTE }]])
    expect(protection.view()).toMatchObject({
      ...{ state: 'paused', mayLeave: ['everything, as if there were no client'] },
      open: [{ what: 'everything', until: '2026-11-23T12:05:00.000Z' }],
    })
    await passed(5 * MINUTE - 1)
    expect(protection.state.name).toBe('paused')
    await passed(1)
    expect(protection.state).toEqual({ name: 'protected' })
    expect(opened.at(-1)).toEqual([])
    expect(protection.view()).toMatchObject({ state: 'protected', open: [] })
  })

  test.each([
    ['the clock of the machine is set back', 5 * MINUTE, -60 * MINUTE],
    ['the machine slept', 1_000, 5 * MINUTE],
  ])('ends in time also when %s', async (_, ms, wallMs) => {
    await protection.pause(5)
    await passed(ms, wallMs)
    expect(protection.state.name).toBe('protected')
    expect(opened.at(-1)).toEqual([])
  })

  test('ends earlier when it is asked to, and a second one takes the place of the first', async () => {
    await protection.pause(5)
    await protection.pause(1)
    expect(opened.at(-1)).toHaveLength(1)
    await protection.resume()
    expect(opened.at(-1)).toEqual([])
    expect(protection.state.name).toBe('protected')
  })

  test('that the firewall refuses is none', async () => {
    failure = new Fault('firewall-failed')
    expect((await rejectionOf(protection.pause(5))).code).toBe('firewall-failed')
    expect(protection.view()).toMatchObject({ state: 'protected', open: [] })
  })

  test('whose rule can not be taken away is tried again, and is a pause until then', async () => {
    await protection.pause(5)
    failure = new Fault('firewall-failed')
    await passed(5 * MINUTE)
    expect(protection.state.name).toBe('paused')
    failure = undefined
    await passed(1_000)
    expect(protection.state.name).toBe('protected')
  })

  test.each([0, -1, 1.5, MAX_MINUTES + 1, Number.NaN, 'x', undefined])('of %p minutes is refused', async (minutes) => {
    const refused = await rejectionOf(protectionCommand(protection, 'pause', { minutes }))
    expect(refused.code).toBe('options-invalid')
    expect(opened).toEqual([])
  })

  test('is refused where there is nothing to pause', async () => {
    expect((await rejectionOf(make().pause(5))).code).toBe('not-protected')
    const proxyOnly = make(false)
    proxyOnly.handle({ kind: 'start' })
    expect((await rejectionOf(proxyOnly.pause(5))).code).toBe('not-protected')
  })
})

describe('a portal', () => {
  const request = { minutes: 5, addresses: ['192.0.2.7', 'nonsense', 7], resolvers: ['2001:db8::53'] }

  test('is open beside everything else, and closes by itself', async () => {
    await protectionCommand(protection, 'portal', request)
    const portal: Opening = {
      ...{ kind: 'portal', untilMs: WALL + 5 * MINUTE },
      ...{ addresses: [parseIp('192.0.2.7')!], resolvers: [parseIp('2001:db8::53')!] },
    }
    expect(opened).toEqual([[portal]])
    expect(protection.state.name).toBe('protected')
    await protection.pause(1)
    await passed(MINUTE)
    expect(opened.at(-1)).toEqual([portal])
    await passed(4 * MINUTE)
    expect(opened.at(-1)).toEqual([])
  })

  test('of too many is refused', async () => {
    for (let i = 0; i <= 8; i++) await protectionCommand(protection, 'portal', request)
    expect((await rejectionOf(protectionCommand(protection, 'portal', request))).code).toBe('limit-reached')
  })
})

describe('a fault (row 54)', () => {
  test.each(Object.keys(FAULTS) as FaultCode[])('of every kind blocks, and its sentence is shown: %s', (reason) => {
    protection.handle({ kind: 'home-lost', reason })
    expect(protection.view()).toMatchObject({ state: 'blocked', fault: reason, reason: FAULTS[reason].text })
    protection.handle({ kind: 'ready' })
    protection.handle({ kind: 'failure', reason })
    protection.handle({ kind: 'home-back' })
    expect(protection.view()).toMatchObject({ state: 'blocked', fault: reason, repair: 'restart the client' })
    expect(opened).toEqual([])
  })

  test('of the map is over when there is a valid one again', () => {
    protection.handle({ kind: 'map-expired' })
    protection.handle({ kind: 'home-back' })
    expect(protection.view()).toMatchObject({ state: 'blocked', fault: 'map-expired' })
    protection.handle({ kind: 'ready' })
    expect(protection.view()).not.toHaveProperty('fault')
  })
})
