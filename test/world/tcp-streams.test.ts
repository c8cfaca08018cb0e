import { expect, test } from '@jest/globals'
import type { Packet } from './packet.ts'
import { tcpStreams } from './tcp-streams.ts'

function segment(sequence: number, text: string, options: { syn?: boolean; sourcePort?: number } = {}): Packet {
  const { syn = false, sourcePort = 1000 } = options
  return {
    atMs: 0,
    etherType: 0x0800,
    wireLength: 0,
    ip: {
      source: '198.18.1.2',
      destination: '198.18.2.2',
      protocol: 6,
      sourcePort,
      destinationPort: 80,
      tcp: { sequence: sequence >>> 0, syn, fin: false, reset: false },
      payload: Buffer.from(text),
    },
  }
}

const texts = (packets: Packet[]): string[] => tcpStreams(packets).map(({ bytes }) => Buffer.from(bytes).toString())

test('segments come together in order, repeated and overlapping ones once', () => {
  const packets = [
    segment(99, '', { syn: true }),
    segment(104, 'ef'),
    segment(100, 'ab'),
    segment(102, 'cd'),
    segment(101, 'bcde'),
    segment(100, 'ab'),
    segment(99, '', { syn: true }),
  ]
  expect(texts(packets)).toEqual(['abcdef'])
})

test('numbers may wrap around', () => {
  expect(texts([segment(-4, '', { syn: true }), segment(-3, 'abc'), segment(0, 'def')])).toEqual(['abcdef'])
})

test('a stream ends at a gap, and says how much lies behind', () => {
  const [stream] = tcpStreams([segment(9, '', { syn: true }), segment(10, 'ab'), segment(15, 'xyz')])
  expect(stream).toMatchObject({ bytes: Buffer.from('ab'), beyondGap: 3 })
})

test('connections are told apart by their ends and by their beginnings', () => {
  const packets = [
    segment(9, '', { syn: true }),
    segment(10, 'one'),
    segment(50, 'two', { sourcePort: 1001 }),
    segment(999, '', { syn: true }),
    segment(1000, 'three'),
  ]
  expect(texts(packets)).toEqual(['one', 'two', 'three'])
})
