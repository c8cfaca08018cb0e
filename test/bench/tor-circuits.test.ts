import { describe, expect, test } from '@jest/globals'
import { circuitIds, circuitUse } from './tor-circuits.ts'

const target = '127.0.0.1:4711'
const path = '$AA~relay0,$BB~relay1,$CC~relay2'

describe('circuits of connections', () => {
  test('are new and their own if each was begun after its connection came', () => {
    const lines = [
      ...[`650 STREAM 1 NEW 0 ${target} PURPOSE=USER`, '650 CIRC 7 LAUNCHED PURPOSE=GENERAL'],
      ...['650 CIRC 7 EXTENDED $AA~relay0', `650 CIRC 7 BUILT ${path} PURPOSE=GENERAL`],
      ...[`650 STREAM 1 SENTCONNECT 7 ${target}`, `650 STREAM 1 SUCCEEDED 7 ${target}`],
      ...[`650 STREAM 2 NEW 0 ${target}`, '650 CIRC 8 LAUNCHED', `650 CIRC 8 BUILT ${path}`],
      `650 STREAM 2 SENTCONNECT 8 ${target}`,
    ]
    expect(circuitUse(lines)).toEqual({ streams: 2, own: 2, begunAfter: 2, hops: new Map([[3, 2]]), launched: 2 })
  })

  test('are told apart from finished ones that were used up, and from shared ones', () => {
    const lines = [
      ...['650 CIRC 7 LAUNCHED', `650 CIRC 7 BUILT ${path}`, `650 STREAM 1 NEW 0 ${target}`],
      ...[
        `650 STREAM 1 SENTCONNECT 7 ${target}`,
        `650 STREAM 2 NEW 0 ${target}`,
        `650 STREAM 2 SENTCONNECT 7 ${target}`,
      ],
      // Begun before anybody listened.
      ...[`650 STREAM 3 NEW 0 ${target}`, `650 STREAM 3 SENTCONNECT 5 ${target}`],
    ]
    const hops = new Map([
      [3, 1],
      [0, 1],
    ])
    expect(circuitUse(lines)).toEqual({ streams: 3, own: 1, begunAfter: 0, hops, launched: 1 })
  })

  test('of connections that found none, and of Tor itself, are not counted; answers to commands are passed over', () => {
    const fetch = ['650 STREAM 4 NEW 0 127.0.0.1.$AA.exit:0 PURPOSE=DIR_FETCH', `650 STREAM 4 SENTCONNECT 9 ${target}`]
    const lines = [
      ...fetch,
      '250 OK',
      `650 STREAM 1 NEW 0 ${target}`,
      `650 STREAM 1 FAILED 0 ${target} REASON=TIMEOUT`,
      '250 OK',
    ]
    expect(circuitUse(lines)).toEqual({ streams: 0, own: 0, begunAfter: 0, hops: new Map(), launched: 0 })
  })
})

test('the circuits that there are: none, one in the line of the answer, or a line each', () => {
  expect(circuitIds(['250-circuit-status=', '250 OK'])).toEqual([])
  expect(circuitIds([`250-circuit-status=12 BUILT ${path} PURPOSE=GENERAL`, '250 OK'])).toEqual(['12'])
  const several = ['250+circuit-status=', `12 BUILT ${path}`, '13 EXTENDED $AA~relay0', '14 LAUNCHED', '.', '250 OK']
  expect(circuitIds(several)).toEqual(['12', '13', '14'])
})
