import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { DnsStreamReader, frameMessage } from '../../../shared/dns/dns-stream.ts'

test('messages come out of a stream as they went in, wherever it is cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 })
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, sizes) => {
      const bytes = concatBytes(...sent.map(frameMessage))
      const reader = new DnsStreamReader()
      const received: Uint8Array[] = []
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] as number
        received.push(...reader.push(bytes.subarray(at, at + size)))
        at += size
      }
      expect(received).toEqual(sent)
      expect(reader.isInside).toBe(false)
    }),
  )
})

test('what comes out is a copy: the buffer of a socket may be used again', () => {
  const reader = new DnsStreamReader()
  const chunk = Buffer.from([0, 2, 1, 2, 0, 3, 9])
  const [first] = reader.push(chunk)
  chunk.fill(0xff)
  expect(first).toEqual(Uint8Array.of(1, 2))
  expect(reader.push(Uint8Array.of(8, 7))).toEqual([Uint8Array.of(9, 8, 7)])
})
