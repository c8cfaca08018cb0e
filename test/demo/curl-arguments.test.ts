import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ProxyServer } from '../../client/proxy/proxy-server.ts'
import { SOCKS_DIALECT } from '../../client/socks/socks-dialect.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { TunnelConnector } from '../support/tunnel-connector.ts'
import { curlArguments } from './curl-arguments.ts'

const PARIS = { dnsName: 'paris.test', ipv4: '198.18.0.9', ipv6: '2001:db8::9' }

let server: ProxyServer
let tunnels: TunnelConnector
beforeEach(async () => {
  tunnels = new TunnelConnector()
  tunnels.onOpen = ({ sink }) => {
    sink.opened(4)
    sink.data(utf8('HTTP/1.0 200 OK\r\n\r\nhello'), 1)
    sink.finished()
    sink.closed(undefined)
  }
  server = new ProxyServer({ ip: Uint8Array.of(127, 0, 0, 1), port: 0 }, SOCKS_DIALECT, tunnels.connector)
  await server.start()
})
afterEach(() => server.close())

describe('curl in the tour', () => {
  test.each([4, 6] as const)('asks a proxy on IPv4 for a destination on IPv%s', async (family) => {
    const args = curlArguments(PARIS, '/address', family, `127.0.0.1:${server.port}`)
    expect((await promisify(execFile)('curl', args)).stdout).toBe('hello')
    const address = parseIp(family === 4 ? PARIS.ipv4 : PARIS.ipv6)
    expect(tunnels.tunnels.map(({ target }) => target)).toEqual([{ kind: 'ip', address, port: 80 }])
  })

  test.each([4, 6] as const)('without a proxy names the host, and says the family %s', (family) => {
    const args = curlArguments(PARIS, ':81/', family, undefined)
    expect([args.at(-1), args.includes(`-${family}`)]).toEqual(['http://paris.test:81/', true])
  })
})
