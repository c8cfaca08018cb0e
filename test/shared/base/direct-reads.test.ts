import { afterEach, expect, test } from '@jest/globals'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { DirectReads } from '../../../shared/base/direct-reads.ts'
import { SocketPairs } from '../../support/socket-pair.ts'
import { until } from '../../support/until.ts'

const pairs = new SocketPairs()
afterEach(() => pairs.close())

test('what came before anybody received is kept, and the socket waits', async () => {
  const reads = new DirectReads(new Uint8Array(64))
  const { near, far } = await pairs.make(reads)
  const sent = Uint8Array.from({ length: 5_000 }, (_, i) => i)
  far.write(sent)
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(near.bytesRead).toBeLessThanOrEqual(64)

  const chunks: Uint8Array[] = []
  near.resume()
  reads.start((chunk) => void chunks.push(chunk.slice()))
  await until(() => concatBytes(...chunks).length === sent.length)
  expect(concatBytes(...chunks)).toEqual(sent)
  expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThanOrEqual(64)
})

test('two sockets can share a buffer: each gets its own bytes', async () => {
  const buffer = new Uint8Array(512)
  const pumped: { value: number; received: Uint8Array[] }[] = []
  for (const value of [1, 2]) {
    const reads = new DirectReads(buffer)
    const { near, far } = await pairs.make(reads)
    const received: Uint8Array[] = []
    near.resume()
    reads.start((chunk) => void received.push(chunk.slice()))
    for (let i = 0; i < 50; i++) far.write(new Uint8Array(700).fill(value))
    pumped.push({ value, received })
  }
  for (const { value, received } of pumped) {
    await until(() => concatBytes(...received).length === 35_000)
    expect(concatBytes(...received)).toEqual(new Uint8Array(35_000).fill(value))
  }
})
