import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type HttpStatus,
  MAX_HEADER_BYTES,
  readConnect,
  refusal,
  refusalFor,
} from '../../../client/http-proxy/http-connect.ts'
import { concatBytes, utf8 } from '../../../shared/base/bytes.ts'
import { FAULTS, type FaultCode } from '../../../shared/base/fault-codes.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'
import type { Target } from '../../../shared/cell/target.ts'

const ip = (text: string, port: number): Target => ({ kind: 'ip', address: parseIp(text) as Uint8Array, port })
const request = (authority: string, ...fields: string[]): Uint8Array =>
  utf8([`CONNECT ${authority} HTTP/1.1`, 'Host: x', ...fields, '', ''].join('\r\n'))
const status = (bytes: Uint8Array): HttpStatus | undefined => {
  const read = readConnect(bytes)
  return read !== undefined && 'refuse' in read ? read.refuse : undefined
}
const LEAST = 'CONNECT example.com:443 HTTP/1.0\r\n\r\n'

describe('a CONNECT request', () => {
  test.each<[string, Target]>([
    ['example.com:443', { kind: 'name', name: 'example.com', port: 443 }],
    ['Example.COM.:1', { kind: 'name', name: 'Example.COM.', port: 1 }],
    ['xn--bcher-kva.example:65535', { kind: 'name', name: 'xn--bcher-kva.example', port: 65_535 }],
    ['93.184.216.34:443', ip('93.184.216.34', 443)],
    ['[2001:db8::1]:80', ip('2001:db8::1', 80)],
    ['[::ffff:93.184.216.34]:80', ip('93.184.216.34', 80)],
  ])('for %s', (authority, target) => {
    const bytes = request(authority)
    expect(readConnect(bytes)).toEqual({ used: bytes.length, target })
  })

  test('of HTTP 1.0 needs no field, and all fields of others are passed over', () => {
    expect(readConnect(utf8(LEAST))).toMatchObject({ used: LEAST.length })
    const fields = ['User-Agent: curl/8', 'proxy-authorization:Basic eDp5', 'Content-Length: 0', 'X-Empty:', 'A: \xe9']
    expect(readConnect(request('a.example:1', ...fields))).toHaveProperty('target')
  })

  test('leaves what stands behind it', () => {
    for (const behind of ['\r\n\r\n', 'CONNECT b:2 HTTP/1.0\r\n\r\n', '\u0016\u0003\u0001']) {
      expect(readConnect(utf8(LEAST + behind))).toMatchObject({ used: LEAST.length, target: { name: 'example.com' } })
    }
  })

  test('is read when its last byte is there, and not before', () => {
    const bytes = request('example.com:443', 'User-Agent: x')
    for (let length = 0; length < bytes.length; length++) expect(readConnect(bytes.subarray(0, length))).toBeUndefined()
  })

  test.each([
    ...['example.com', 'example.com:', ':443', 'example.com:0', 'example.com:65536', 'example.com:0443'],
    ...[
      'example.com:+443',
      'example.com:443:443',
      'example.com:99999999999',
      '-a:1',
      'a..b:1',
      '1.2.3:1',
      '1.2.3.256:1',
    ],
    ...['0x7f000001:1', '2001:db8::1:80', '[2001:db8::1]', '[93.184.216.34]:80', '[2001:db8::g]:80', '[fe80::1%lo]:80'],
    ...['[[::1]]:80', '[::1:80', 'user@example.com:80', 'http://example.com:80', '/', '*', 'exa%6dple.com:80'],
    `${'a'.repeat(64)}:1`,
  ])('for %s is malformed', (authority) => {
    expect(status(request(authority))).toBe(400)
  })

  test.each([
    ['another version', 'CONNECT a.example:1 HTTP/2.0\r\n\r\n'],
    ['no version', 'CONNECT a.example:1\r\n\r\n'],
    ['two spaces', 'CONNECT  a.example:1 HTTP/1.0\r\n\r\n'],
    ['a tab for a space', 'CONNECT\ta.example:1 HTTP/1.0\r\n\r\n'],
    ['a space behind', 'CONNECT a.example:1 HTTP/1.0 \r\n\r\n'],
    ['a line that ends without CR', 'CONNECT a.example:1 HTTP/1.0\nA: b\r\n\r\n'],
    ['a bare CR', 'CONNECT a.example:1 HTTP/1.0\r\nA: b\rc\r\n\r\n'],
    ['a NUL', 'CONNECT a.example:1 HTTP/1.0\r\nA: \0\r\n\r\n'],
    ['a folded field', 'CONNECT a.example:1 HTTP/1.0\r\nA: b\r\n c\r\n\r\n'],
    ['a field without a colon', 'CONNECT a.example:1 HTTP/1.0\r\nA\r\n\r\n'],
    ['a space before the colon', 'CONNECT a.example:1 HTTP/1.0\r\nA : b\r\n\r\n'],
    ['no Host in HTTP/1.1', 'CONNECT a.example:1 HTTP/1.1\r\n\r\n'],
    ['two Hosts', 'CONNECT a.example:1 HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n'],
    ['a body', 'CONNECT a.example:1 HTTP/1.0\r\nContent-Length: 1\r\n\r\n'],
    ['chunks', 'CONNECT a.example:1 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['an empty line first', '\r\nCONNECT a.example:1 HTTP/1.0\r\n\r\n'],
    ['a TLS hello', '\u0016\u0003\u0001'],
    ['SOCKS', '\u0005\u0001\u0000'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('with %s is malformed', (_what, text) => {
    expect(status(Buffer.from(text, 'latin1'))).toBe(400)
  })

  test.each([
    'GET http://example.com/ HTTP/1.1',
    'POST / HTTP/1.0',
    'OPTIONS * HTTP/1.1',
    'connect a.example:1 HTTP/1.1',
  ])('is no %s, which is told in one sentence what this proxy does', (line) => {
    const read = readConnect(utf8(`${line}\r\nHost: x\r\n\r\n`))
    expect(read).toEqual({ refuse: 405, because: 'This proxy only does CONNECT.' })
  })

  test('has a header of limited length: at the cap and one past it', () => {
    const filled = (length: number): Uint8Array => {
      const bare = request('a.example:1', 'A: ').length
      return request('a.example:1', `A: ${'b'.repeat(length - bare)}`)
    }
    expect(readConnect(filled(MAX_HEADER_BYTES))).toHaveProperty('target')
    expect(status(filled(MAX_HEADER_BYTES + 1))).toBe(400)
    expect(readConnect(utf8('C'.repeat(MAX_HEADER_BYTES - 1)))).toBeUndefined()
    expect(status(utf8('C'.repeat(MAX_HEADER_BYTES)))).toBe(400)
    // The limit is one of the header: what follows it may be long.
    expect(readConnect(concatBytes(filled(MAX_HEADER_BYTES), new Uint8Array(MAX_HEADER_BYTES)))).toHaveProperty(
      'target',
    )
  })

  test('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        readConnect(bytes)
        readConnect(concatBytes(utf8('CONNECT '), bytes, utf8('\r\n\r\n')))
      }),
    )
  })
})

describe('an answer', () => {
  test('tells what it is, how long it is, and nothing of the program', () => {
    expect(Buffer.from(refusal(405, 'This proxy only does CONNECT.')).toString()).toBe(
      'HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Type: text/plain\r\nContent-Length: 30\r\n' +
        'Connection: close\r\n\r\nThis proxy only does CONNECT.\n',
    )
  })

  test.each<[HttpStatus, FaultCode[]]>([
    [403, ['policy-refused', 'destination-forbidden', 'rule-blocked', 'rule-direct', 'wish-unmet']],
    [502, ['connection-refused', 'host-unreachable', 'network-unreachable', 'name-not-found', 'name-failed']],
    [502, ['family-refused', 'path-no-exit', 'connection-reset']],
    [
      503,
      [
        'path-no-home',
        'map-expired',
        'directory-unreachable',
        'hub-busy',
        'circuit-closed',
        'link-closed',
        'cancelled',
      ],
    ],
    [504, ['connect-timeout']],
  ])('%s', (code, faults) => {
    for (const fault of faults) {
      const text = Buffer.from(refusalFor(fault)).toString()
      expect(text.startsWith(`HTTP/1.1 ${code} `)).toBe(true)
      expect(text.toLowerCase()).toContain(`${FAULTS[fault].text}.\n`)
    }
  })

  test('is ASCII with the right length for every fault', () => {
    for (const fault of Object.keys(FAULTS) as FaultCode[]) {
      const [head = '', body = ''] = Buffer.from(refusalFor(fault)).toString('latin1').split('\r\n\r\n')
      expect(/Content-Length: (\d+)/.exec(head)?.[1]).toBe(`${body.length}`)
      expect(body).toMatch(/^[ -~]+\n$/)
    }
  })
})
