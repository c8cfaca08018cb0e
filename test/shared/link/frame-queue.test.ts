import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FrameQueue } from '../../../shared/link/frame-queue.ts'
import { usedBytes } from '../../support/used-bytes.ts'

describe('the frames of a circuit that wait', () => {
  test('come out in the order in which they went in, also when all are dropped in between', () => {
    const step = fc.constantFrom('push', 'push', 'push', 'shift', 'shift', 'clear')
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.nat({ max: 300 }), (steps, before) => {
        const queue = new FrameQueue()
        const plain: Uint8Array[] = []
        for (const what of [...Array(before).fill('push'), ...steps]) {
          if (what === 'push') {
            const frame = new Uint8Array(1)
            queue.push(frame)
            plain.push(frame)
          } else if (what === 'shift') {
            queue.shift()
            plain.shift()
          } else if (plain.length % 7 === 0) {
            queue.clear()
            plain.length = 0
          }
          expect(queue.first).toBe(plain[0])
        }
        for (; plain.length > 0; plain.shift(), queue.shift()) expect(queue.first).toBe(plain[0])
        expect(queue.first).toBeUndefined()
      }),
    )
  })

  test('cost no more memory when there has always been one for millions of frames', async () => {
    const queue = new FrameQueue()
    const frame = new Uint8Array(1)
    const before = await usedBytes()
    for (let i = 0; i < 3; i++) queue.push(frame)
    for (let i = 0; i < 2_000_000; i++) {
      queue.push(frame)
      queue.shift()
    }
    expect((await usedBytes()) - before).toBeLessThan(1_000_000)
    expect(queue.first).toBe(frame)
  })
})
