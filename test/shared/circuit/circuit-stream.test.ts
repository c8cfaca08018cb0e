import { beforeEach, describe, expect, test } from '@jest/globals'
import { utf8 } from '../../../shared/base/bytes.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { CircuitStream } from '../../../shared/circuit/circuit-stream.ts'
import { WEB } from '../../support/raw-circuit.ts'
import { type TestTunnel, TunnelConnector } from '../../support/tunnel-connector.ts'

let connector: TunnelConnector
let stream: CircuitStream
let tunnel: TestTunnel
let events: string[]

beforeEach(() => {
  connector = new TunnelConnector()
  stream = new CircuitStream((sink) => connector.connector.open(WEB, 'client', sink))
  tunnel = connector.tunnels[0] as TestTunnel
  events = []
  for (const name of ['connect', 'end', 'finish', 'close'] as const) stream.on(name, () => void events.push(name))
  stream.on('error', (error) => void events.push(`error ${(error as Fault).code}`))
})

const turns = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a connection of the client itself, as a stream', () => {
  test('is opened at once, in its name', () => {
    expect([tunnel.by, tunnel.target]).toEqual(['client', WEB])
  })

  test('keeps what is written until it is open: nothing goes out that could arrive twice', async () => {
    stream.write('one ')
    stream.write('two')
    stream.end()
    await turns()
    expect([tunnel.text, tunnel.calls, events]).toEqual(['', [], []])
    tunnel.sink.opened(4)
    await turns()
    expect([tunnel.text, tunnel.calls, events]).toEqual(['one two', ['finish'], ['connect', 'finish']])
  })

  test('says that it sends no more, also if it never sent anything', async () => {
    stream.end()
    await turns()
    expect(tunnel.calls).toEqual([])
    tunnel.sink.opened(4)
    await turns()
    expect(tunnel.calls).toEqual(['finish'])
  })

  test('waits while the circuit has no room', async () => {
    tunnel.sink.opened(4)
    tunnel.hasRoom = false
    let taken = 0
    for (let i = 0; i < 3; i++) stream.write('x', () => void taken++)
    await turns()
    expect([tunnel.text, taken]).toEqual(['x', 0])
    tunnel.hasRoom = true
    tunnel.sink.writable()
    await turns()
    expect([tunnel.text, taken]).toEqual(['xxx', 3])
  })

  test('holds few cells that nobody reads, however few bytes are in them', async () => {
    tunnel.sink.opened(4)
    for (let i = 0; i < 10; i++) tunnel.sink.data(Uint8Array.of(i), 16_384)
    await turns()
    expect(tunnel.released).toBeLessThanOrEqual(4 * 16_384)
    const read: number[] = []
    stream.on('data', (chunk: Buffer) => void read.push(...chunk))
    await turns()
    expect([read, tunnel.released]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10 * 16_384])
  })

  test('gives back credit as it is read, and not before', async () => {
    tunnel.sink.opened(4)
    for (let i = 0; i < 10; i++) tunnel.sink.data(new Uint8Array(16_000), 16_384)
    await turns()
    expect(tunnel.released).toBeLessThan(10 * 16_384)
    stream.resume()
    await turns()
    expect(tunnel.released).toBe(10 * 16_384)
  })

  test('ends cleanly when both sides have ended', async () => {
    const chunks: string[] = []
    stream.on('data', (chunk) => void chunks.push(String(chunk)))
    tunnel.sink.opened(4)
    tunnel.sink.data(utf8('bye'), 3)
    tunnel.sink.finished()
    stream.end()
    tunnel.sink.closed(undefined)
    await turns()
    expect([chunks, events]).toEqual([['bye'], ['connect', 'finish', 'end', 'close']])
  })

  test.each([true, false])('fails by the fault of the circuit (open before: %s)', async (open) => {
    if (open) tunnel.sink.opened(4)
    stream.write('x')
    tunnel.sink.closed(new Fault('connection-refused'))
    await turns()
    expect(events.slice(-2)).toEqual(['error connection-refused', 'close'])
  })

  test('that is destroyed resets its circuit', async () => {
    tunnel.sink.opened(4)
    stream.destroy()
    await turns()
    expect([tunnel.calls, events.at(-1)]).toEqual([['reset'], 'close'])
  })
})
