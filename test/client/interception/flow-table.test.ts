import { describe, expect, test } from '@jest/globals'
import { FlowTable, type FlowTableLimits, UNDECIDED_MS } from '../../../client/interception/flow-table.ts'
import { FLOW_LIMITS, openingOf } from '../../../client/interception/opening.ts'
import { type Packet, TCP_FLAGS } from '../../../client/interception/packet.ts'

const SETTLED_MS = FLOW_LIMITS.tcp.settledMs
const MAX_REPETITIONS = FLOW_LIMITS.tcp.maxRepetitions
const LIMITS = { ...FLOW_LIMITS.tcp, maxPending: 3, maxSettled: 3 }
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
    echo: undefined,
  }
}

function udp(changes: { source?: number; destination?: number } = {}): Packet {
  const { source = 50_000, destination = 443 } = changes
  return { ...tcp(), protocol: 17, ports: { source, destination }, tcp: undefined }
}

/** A table of packets, which the keys of their openings lead to. */
class PacketTable<P> extends FlowTable<P> {
  constructor(limits: FlowTableLimits) {
    let last = 0
    super(limits, () => ++last)
  }

  see(packet: Packet, handle: P, now: number) {
    const opening = openingOf(packet)
    if (typeof opening === 'string') throw new Error('it opens nothing')
    return this.decide(opening.key, handle, now)
  }
}

describe('a packet that opens nothing', () => {
  test.each<[string, Packet | undefined, string]>([
    ['that cannot be read is dropped', undefined, 'drop'],
    ['of another protocol is dropped', { ...tcp(), protocol: 132, tcp: undefined }, 'drop'],
    ['of a ping that is not whole is refused', { ...udp(), protocol: 1, ports: undefined }, 'block'],
    ['of a ping of IPv6 that is not whole too', { ...udp(), protocol: 58, ports: undefined }, 'block'],
    ['whose ports are cut off is dropped', { ...udp(), ports: undefined }, 'drop'],
    ['that is a fragment of a datagram is dropped', { ...udp(), fragment: true }, 'drop'],
    ['whose flags are cut off is dropped', { ...tcp(), tcp: undefined }, 'drop'],
    ['that is a fragment is dropped', { ...tcp(), fragment: true }, 'drop'],
    ['that is a reset is dropped: nobody resets a reset', tcp({ flags: rst | ack }), 'drop'],
    ['of a connection from before is reset', tcp({ flags: ack }), 'block'],
    ['that ends a connection from before is reset', tcp({ flags: fin | ack }), 'block'],
    ['that answers a connection from outside is reset', tcp({ flags: syn | ack }), 'block'],
  ])('%s', (_promise, packet, verdict) => {
    expect(openingOf(packet)).toBe(verdict)
  })
})

describe('a flow', () => {
  test('is asked about once, and its decision is for every packet that waits', () => {
    const table = new PacketTable<string>(LIMITS)
    expect(table.see(tcp(), 'first', 0)).toEqual({ kind: 'ask', flow: 1 })
    expect(table.see(tcp(), 'again', 1_000)).toEqual({ kind: 'wait' })
    expect(table.settle(1, 'tunnel', 1_500)).toEqual(['first', 'again'])
    expect(table.settle(1, 'block', 1_500)).toEqual([])
    expect(table.pendingCount).toBe(0)
  })

  test('that was decided needs no question when its opening is repeated, for as long as systems repeat it', () => {
    const table = new PacketTable<string>(LIMITS)
    table.see(tcp(), 'first', 0)
    table.settle(1, 'drop', 0)
    expect(table.see(tcp(), 'again', SETTLED_MS - 1)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.see(tcp(), 'late', SETTLED_MS)).toEqual({ kind: 'ask', flow: 2 })
  })

  test('is new when the program tries again from the same port', () => {
    const table = new PacketTable<string>(LIMITS)
    table.see(tcp({ sequence: 1 }), 'first', 0)
    table.settle(1, 'block', 0)
    expect(table.see(tcp({ sequence: 2 }), 'second', 1)).toEqual({ kind: 'ask', flow: 2 })
  })

  test('is told apart by each of its ends', () => {
    const table = new PacketTable<string>({ ...LIMITS, maxPending: 10 })
    const other = { ...tcp(), destination: Uint8Array.of(198, 18, 1, 1) }
    const packets = [tcp(), other, { ...other, source: Uint8Array.of(198, 18, 0, 3) }]
    const ports = [
      tcp({ source: 5_000, destination: 1 }),
      tcp({ source: 500, destination: 1 }),
      tcp({ destination: 1 }),
    ]
    const kinds = [...packets, ...ports].map((packet) => table.see(packet, '', 0).kind)
    expect(kinds).toEqual(Array(6).fill('ask'))
  })

  test('that nobody decides about is dropped in the end, and its repetitions after it', () => {
    const table = new PacketTable<string>(LIMITS)
    table.see(tcp(), 'first', 0)
    expect(table.tick(UNDECIDED_MS - 1)).toEqual([])
    expect(table.tick(UNDECIDED_MS)).toEqual([{ flow: 1, packets: ['first'] }])
    expect(table.see(tcp(), 'again', UNDECIDED_MS + 1)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.settle(1, 'tunnel', UNDECIDED_MS + 2)).toEqual([])
  })
})

describe('datagrams', () => {
  const limits = { ...FLOW_LIMITS.udp, maxPending: 3, maxSettled: 3 }

  test('between the same two ends are one flow, and a TCP connection between them is another', () => {
    const [first, second, other] = [udp(), udp(), udp({ destination: 53 })].map(openingOf)
    expect(first).toEqual(second)
    expect(first).not.toEqual(other)
    expect(openingOf(tcp())).toMatchObject({ kind: 'tcp' })
    expect(first).toMatchObject({ kind: 'udp' })
  })

  test('that are sent before the decision all get it, and so do those that are on their way to the queue', () => {
    const table = new PacketTable<number>(limits)
    expect(table.see(udp(), 0, 0)).toEqual({ kind: 'ask', flow: 1 })
    for (let i = 1; i <= limits.maxRepetitions; i++) expect(table.see(udp(), i, 0)).toEqual({ kind: 'wait' })
    expect(table.settle(1, 'tunnel', 0)).toHaveLength(1 + limits.maxRepetitions)
    expect(table.see(udp(), 99, limits.settledMs - 1)).toEqual({ kind: 'verdict', verdict: 'tunnel' })
  })

  test('of a flow that the kernel has forgotten are judged again', () => {
    const table = new PacketTable<string>(limits)
    table.see(udp(), 'first', 0)
    table.settle(1, 'tunnel', 0)
    expect(limits.settledMs).toBeLessThan(1_000)
    expect(table.see(udp(), 'later', limits.settledMs)).toEqual({ kind: 'ask', flow: 2 })
  })
})

test('requests for an echo wait each by itself, and none is remembered', () => {
  const echo = (sequence: number): Packet => {
    const content = { identifier: 7, sequence, bytes: new Uint8Array() }
    return { ...udp(), protocol: 1, ports: undefined, echo: content }
  }
  const table = new PacketTable<string>({ ...FLOW_LIMITS.echo, maxPending: 2, maxSettled: 0 })
  expect(table.see(echo(1), 'a', 0)).toEqual({ kind: 'ask', flow: 1 })
  expect(table.see(echo(2), 'b', 0)).toEqual({ kind: 'ask', flow: 2 })
  expect(table.see(echo(2), 'again', 0)).toEqual({ kind: 'verdict', verdict: 'drop' })
  expect(table.see(echo(3), 'c', 0)).toEqual({ kind: 'verdict', verdict: 'drop' })
  expect(table.settle(1, 'drop', 0)).toEqual(['a'])
  expect(table.see(echo(1), 'a', 0)).toEqual({ kind: 'ask', flow: 3 })
})

describe('a limit', () => {
  test('of pending flows holds: one more is dropped, without being remembered', () => {
    const table = new PacketTable<string>(LIMITS)
    for (let source = 1; source <= 3; source++) expect(table.see(tcp({ source }), '', 0).kind).toBe('ask')
    expect(table.see(tcp({ source: 4 }), '', 0)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.see(tcp({ source: 1 }), '', 0)).toEqual({ kind: 'wait' })
    table.settle(1, 'tunnel', 0)
    expect(table.see(tcp({ source: 4 }), '', 1).kind).toBe('ask')
  })

  test('of waiting repetitions holds: one more is dropped', () => {
    const table = new PacketTable<number>(LIMITS)
    table.see(tcp(), 0, 0)
    for (let i = 1; i <= MAX_REPETITIONS; i++) expect(table.see(tcp(), i, 0).kind).toBe('wait')
    expect(table.see(tcp(), 99, 0)).toEqual({ kind: 'verdict', verdict: 'drop' })
    expect(table.settle(1, 'block', 0)).toHaveLength(MAX_REPETITIONS + 1)
  })

  test('of remembered decisions holds: the oldest is forgotten', () => {
    const table = new PacketTable<string>(LIMITS)
    for (let source = 1; source <= 4; source++) {
      const decision = table.see(tcp({ source }), '', source)
      table.settle(decision.kind === 'ask' ? decision.flow : 0, 'drop', source)
    }
    expect(table.see(tcp({ source: 2 }), '', 5).kind).toBe('verdict')
    expect(table.see(tcp({ source: 1 }), '', 5).kind).toBe('ask')
  })
})
