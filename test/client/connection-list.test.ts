import { beforeEach, describe, expect, test } from '@jest/globals'
import { ConnectionList, hopView, MAX_ENDED } from '../../client/connection-list.ts'
import { mapHubOf } from '../support/map-fixtures.ts'

let list: ConnectionList

beforeEach(() => {
  list = new ConnectionList()
})

describe('the list of connections', () => {
  test('shows each from the wish to its end', () => {
    const id = list.add('socks', 'example.com:443')
    expect(list.all()).toEqual([
      {
        ...{ id, by: 'socks', target: 'example.com:443', app: undefined, path: [], state: 'building' },
        ...{ fault: undefined, openMs: undefined },
      },
    ])
    list.update(id, { path: [{ hub: 'aa', city: 'Vienna', country: 'AT' }] })
    list.update(id, { state: 'open', openMs: 12 })
    expect(list.all()[0]).toMatchObject({ state: 'open', openMs: 12, path: [{ city: 'Vienna' }] })
    list.end(id, undefined)
    expect(list.all()[0]).toMatchObject({ state: 'ended', fault: undefined })
  })

  test('shows whose it is as soon as that is known, also if it has ended by then', () => {
    const app = { key: '1 path:/a', path: '/a', uid: 1, pid: 2 }
    const [living, ended] = [list.add('socks', 'a:1'), list.add('socks', 'b:1')]
    list.setApp(living, app)
    list.end(ended, undefined)
    list.setApp(ended, app)
    list.setApp(999, app)
    list.update(living, { state: 'open' })
    expect(list.all().map((one) => [one.id, one.app, one.state])).toEqual([
      [living, app, 'open'],
      [ended, app, 'ended'],
    ])
  })

  test('says why one failed', () => {
    const id = list.add('intercepted', '192.0.2.1:80')
    list.end(id, 'connection-refused')
    expect(list.all()[0]).toMatchObject({ state: 'failed', fault: 'connection-refused' })
  })

  test('changes nothing of what has ended', () => {
    const id = list.add('client', 'x:1')
    list.end(id, undefined)
    list.end(id, 'internal')
    list.update(id, { state: 'open' })
    list.update(999, { state: 'open' })
    expect(list.all()).toHaveLength(1)
    expect(list.all()[0]).toMatchObject({ state: 'ended' })
  })

  test('keeps the order in which they were asked for, and forgets the oldest ended ones first', () => {
    const living = list.add('socks', 'living:1')
    for (let i = 0; i < MAX_ENDED; i++) list.end(list.add('socks', `${i}:1`), undefined)
    expect(list.all()).toHaveLength(MAX_ENDED + 1)
    list.end(list.add('socks', 'last:1'), undefined)
    const all = list.all()
    expect(all).toHaveLength(MAX_ENDED + 1)
    expect([all[0]?.id, all[1]?.target, all.at(-1)?.target]).toEqual([living, '1:1', 'last:1'])
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).toSorted((a, b) => a - b))
  })

  test('shows a hub by where it is', () => {
    const hub = mapHubOf(new Uint8Array(32).fill(1))
    expect(hopView(hub)).toEqual({ hub: hub.key, city: 'Vienna', country: 'AT' })
  })
})
