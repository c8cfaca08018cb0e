import { describe, expect, test } from '@jest/globals'
import { EarlyBytes, MAX_EARLY_BYTES } from '../../client/early-bytes.ts'
import { utf8 } from '../../shared/base/bytes.ts'

const harmless = (...chunks: readonly Uint8Array[]): boolean => {
  const early = new EarlyBytes()
  for (const chunk of chunks) early.add(chunk)
  return early.isHarmless
}
const record = (type: number, ...body: readonly number[]): Uint8Array =>
  Uint8Array.of(type, 3, 1, body.length >> 8, body.length & 255, ...body)
const HELLO = record(22, 1, 0, 0, 2, 3, 3)

describe('what an app sent first may be sent again', () => {
  test.each([
    ['nothing', []],
    ['a ClientHello', [HELLO]],
    ['a ClientHello in pieces', [HELLO.slice(0, 1), HELLO.slice(1, 4), HELLO.slice(4)]],
    ['a ClientHello that goes on', [HELLO.slice(0, 8)]],
    ['a ClientHello of two records', [HELLO, record(22, 9, 9)]],
    ['a GET', [utf8('GET / HTTP/1.1\r\nhost: a\r\n\r\n')]],
    ['a GET with short ends of lines', [utf8('GET / HTTP/1.1\nhost: a\n\n')]],
    ['a GET that goes on', [utf8('GET / HTTP/1.1\r\nho')]],
    ['a GET whose first line goes on', [utf8('GET /a')]],
    ['a HEAD', [utf8('HEAD / HTTP/1.1\r\n\r\n')]],
  ])('if it is %s', (_, chunks) => {
    expect(harmless(...chunks)).toBe(true)
  })

  test.each([
    ['a POST', [utf8('POST / HTTP/1.1\r\n\r\n')]],
    ['a GET with a body', [utf8('GET / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx')]],
    ['two requests', [utf8('GET / HTTP/1.1\r\n\r\n'), utf8('DELETE / HTTP/1.1\r\n\r\n')]],
    ['two requests with short ends of lines', [utf8('GET / HTTP/1.1\n\nDELETE / HTTP/1.1\n\n')]],
    ['commands of another protocol', [utf8('GET a\r\nINCR b\r\n')]],
    ['one command of another protocol', [utf8('GET a\n')]],
    ['early data of TLS', [HELLO, record(23, 1, 2, 3)]],
    ['another record', [record(21, 1, 0)]],
    ['another message of TLS', [record(22, 16, 0, 0, 1, 0)]],
    ['anything else', [utf8('SSH-2.0-x\r\n')]],
    ['too much', [HELLO.slice(0, 8), new Uint8Array(MAX_EARLY_BYTES)]],
  ])('but not if it is %s', (_, chunks) => {
    expect(harmless(...chunks)).toBe(false)
  })
})
