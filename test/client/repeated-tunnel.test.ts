import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Tunnel, TunnelSink } from '../../client/connector.ts'
import { RepeatedTunnel } from '../../client/repeated-tunnel.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'

const GET = 'GET / HTTP/1.1\r\n\r\n'

/** One opening of the connection. */
interface Opening {
  readonly sink: TunnelSink
  readonly done: string[]
}

let openings: Opening[]
let events: string[]
let tunnel: RepeatedTunnel
let isFree: boolean
beforeEach(() => {
  ;[openings, events, isFree] = [[], [], true]
  tunnel = new RepeatedTunnel(
    (sink): Tunnel => {
      const done: string[] = []
      openings.push({ sink, done })
      return {
        write: (bytes) => {
          done.push(Buffer.from(bytes).toString())
          return isFree
        },
        finish: () => void done.push('finish'),
        reset: () => void done.push('reset'),
        release: (cost) => void done.push(`release ${cost}`),
      }
    },
    {
      opened: () => void events.push('opened'),
      data: (bytes) => void events.push(`data ${Buffer.from(bytes)}`),
      finished: () => void events.push('finished'),
      writable: () => void events.push('writable'),
      closed: (fault) => void events.push(`closed ${fault?.code}`),
    },
  )
})

const of = (i: number): Opening => openings[i] as Opening
const cut = (i: number): void => of(i).sink.closed(new Fault('circuit-closed'))

describe('a connection whose way is cut before the first byte came', () => {
  test('is opened again, and gets what the app sent before and since', () => {
    of(0).sink.opened(4)
    tunnel.write(utf8(GET))
    cut(0)
    expect([openings.length, tunnel.write(utf8('more')), events]).toEqual([2, false, ['opened']])
    tunnel.finish()
    of(1).sink.opened(4)
    expect(of(1).done).toEqual([GET, 'more', 'finish'])
    of(1).sink.data(utf8('answer'), 1)
    expect(events).toEqual(['opened', 'writable', 'data answer'])
  })

  test('tells the app that it may write when the second circuit lets it', () => {
    of(0).sink.opened(4)
    tunnel.write(utf8(GET))
    cut(0)
    isFree = false
    of(1).sink.opened(4)
    expect(events).toEqual(['opened'])
    of(1).sink.writable()
    expect(events).toEqual(['opened', 'writable'])
  })

  test('is not opened a third time', () => {
    of(0).sink.opened(4)
    cut(0)
    of(1).sink.opened(4)
    cut(1)
    expect([openings.length, events]).toEqual([2, ['opened', 'writable', 'closed circuit-closed']])
  })

  test('ends with why the second opening failed', () => {
    of(0).sink.opened(4)
    cut(0)
    of(1).sink.closed(new Fault('path-no-exit'))
    expect([openings.length, events]).toEqual([2, ['opened', 'closed path-no-exit']])
  })

  test('ends for good if the app ends it meanwhile', () => {
    of(0).sink.opened(4)
    cut(0)
    tunnel.reset()
    expect(of(1).done).toEqual(['reset'])
  })
})

describe('a connection is not opened again', () => {
  test('behind the first byte', () => {
    of(0).sink.opened(4)
    of(0).sink.data(utf8('a'), 1)
    cut(0)
    expect([openings.length, events.at(-1)]).toEqual([1, 'closed circuit-closed'])
  })

  test('when the destination had ended its side', () => {
    of(0).sink.opened(4)
    of(0).sink.finished()
    cut(0)
    expect(openings.length).toBe(1)
  })

  test('when what was sent may do harm twice', () => {
    of(0).sink.opened(4)
    tunnel.write(utf8('POST / HTTP/1.1\r\n\r\n'))
    cut(0)
    expect([openings.length, events.at(-1)]).toEqual([1, 'closed circuit-closed'])
  })

  test('before it was open, when other ways were tried already', () => {
    cut(0)
    expect([openings.length, events]).toEqual([1, ['closed circuit-closed']])
  })

  test.each(['connection-reset', 'cell-rejected', undefined] as const)('when it ended otherwise (%s)', (code) => {
    of(0).sink.opened(4)
    of(0).sink.closed(code && new Fault(code))
    expect([openings.length, events.at(-1)]).toEqual([1, `closed ${code}`])
  })

  test('when the app had reset it', () => {
    of(0).sink.opened(4)
    tunnel.reset()
    cut(0)
    expect([openings.length, events.at(-1)]).toEqual([1, 'closed circuit-closed'])
  })
})
