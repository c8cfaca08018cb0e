import { describe, expect, test } from '@jest/globals'
import { FlowTable, MAX_REPETITIONS, SETTLED_MS, UNDECIDED_MS } from '../../../client/interception/flow-table.ts'
import { type Packet, TCP_FLAGS } from '../../../client/interception/packet.ts'

const LIMITS = { maxPending: 3, maxSettled: 3 }
const { syn, ack, rst, fin } = TCP_FLAGS

function tcp(changes: { source?: number; destination?: number; sequence?: number; flags?: number } = {}): Packet {
  const { source = 50_000, destination = 443, sequence = 1, flags = syn } = changes
  return {
    family: 4,
    source: Uint8Array.of(198, 18, 0, 2),
    destination: Uint8Array.of(198, 18, 0, 1),
    protocol: 6,
    fragment: false,
    ports: { source, destination },
    tcp: { sequence, flags },
  }
}

describe('a packet that opens nothing', () => {
  test.each<[string, Packet | undefined, string]>([
    ['that cannot be read is dropped', undefined, 'drop'],
    ['of another protocol is dropped', { ...tcp(), protocol: 17, tcp: undefined }, 'drop'],
    ['whose flags are cut off is dropped', { ...tcp(), tcp: undefined }, 'drop'],
    ['that is a fragment is dropped', { ...tcp(), fragment: true }, 'drop'],
    ['that is a reset is dropped: nobody resets a reset', tcp({ flags: rst | ack }), 'drop'],
    ['of a connection from before is reset', tcp({ flags: ack }), 'block'],
    ['that ends a connection from before is reset', tcp({ flags: fin | ack }), 'block'],
    ['that answers a connection from outside is reset', tcp({ flags: syn | ack }), 'block'],
  ])('%s', (_promise, packet, verdict) => {
    const table = new FlowTable<string>(LIMITS)
    expect(table.decide(packet, 'p', 0)).toEqual({ kind: 'verdict', verdict })
    expect(table.pendingCount).toBe(0)
  })
})

describe('a flow', () => {
  test('is asked about once, and its decision is for every packet that waits', () => {
    const table = new FlowTable<string>(LIMITS)
    expect(table.decide(tcp(), 'first', 0)).toEqual({ kind: 'ask', flow: 1 })
    expect(table.decide(tcp(), 'again', 1_000)).toEqual({ kind: 'wait' })
    expect(table.settle(1, 'tunnel', 1_500)).toEqual(['first', 'again'])
    expect(table.settle(1, 'block', 1_500)).toEqual([])
    expect(table.pendingCount).toBe(0)
  })

  test('that was decided needs no question when its opening is repeated, for as long as systems repeat it', () => {
    const table = new FlowTable<string>(LIMITS)
    table.decide(tcp(), 'first', 0)
    table.settle(1, 'drop', 0)
    expect(table.decide(tcp(), 'again', SETTLED_MS - 1)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.decide(tcp(), 'late', SETTLED_MS)).toEqual({ kind: 'ask', flow: 2 })
  })

  test('is new when the program tries again from the same port', () => {
    const table = new FlowTable<string>(LIMITS)
    table.decide(tcp({ sequence: 1 }), 'first', 0)
    table.settle(1, 'block', 0)
    expect(table.decide(tcp({ sequence: 2 }), 'second', 1)).toEqual({ kind: 'ask', flow: 2 })
  })

  test('is told apart by each of its ends', () => {
    const table = new FlowTable<string>({ ...LIMITS, maxPending: 10 })
    const other = { ...tcp(), destination: Uint8Array.of(198, 18, 1, 1) }
    const packets = [tcp(), other, { ...other, source: Uint8Array.of(198, 18, 0, 3) }]
    const ports = [
      tcp({ source: 5_000, destination: 1 }),
      tcp({ source: 500, destination: 1 }),
      tcp({ destination: 1 }),
    ]
    const kinds = [...packets, ...ports].map((packet) => table.decide(packet, '', 0).kind)
    expect(kinds).toEqual(Array(6).fill('ask'))
  })

  test('that nobody decides about is dropped in the end, and its repetitions after it', () => {
    const table = new FlowTable<string>(LIMITS)
    table.decide(tcp(), 'first', 0)
    expect(table.tick(UNDECIDED_MS - 1)).toEqual([])
    expect(table.tick(UNDECIDED_MS)).toEqual([{ flow: 1, packets: ['first'] }])
    expect(table.decide(tcp(), 'again', UNDECIDED_MS + 1)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.settle(1, 'tunnel', UNDECIDED_MS + 2)).toEqual([])
  })
})

describe('a limit', () => {
  test('of pending flows holds: one more is dropped, without being remembered', () => {
    const table = new FlowTable<string>(LIMITS)
    for (let source = 1; source <= 3; source++) expect(table.decide(tcp({ source }), '', 0).kind).toBe('ask')
    expect(table.decide(tcp({ source: 4 }), '', 0)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.decide(tcp({ source: 1 }), '', 0)).toEqual({ kind: 'wait' })
    table.settle(1, 'tunnel', 0)
    expect(table.decide(tcp({ source: 4 }), '', 1).kind).toBe('ask')
  })

  test('of waiting repetitions holds: one more is dropped', () => {
    const table = new FlowTable<number>(LIMITS)
    table.decide(tcp(), 0, 0)
    for (let i = 1; i < MAX_REPETITIONS; i++) expect(table.decide(tcp(), i, 0).kind).toBe('wait')
    expect(table.decide(tcp(), 99, 0)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.settle(1, 'block', 0)).toHaveLength(MAX_REPETITIONS)
  })

  test('of remembered decisions holds: the oldest is forgotten', () => {
    const table = new FlowTable<string>(LIMITS)
    for (let source = 1; source <= 4; source++) {
      const decision = table.decide(tcp({ source }), '', source)
      table.settle(decision.kind === 'ask' ? decision.flow : 0, 'drop', source)
    }
    expect(table.decide(tcp({ source: 2 }), '', 5).kind).toBe('verdict')
    expect(table.decide(tcp({ source: 1 }), '', 5).kind).toBe('ask')
  })
})
