import { execFile } from 'node:child_process'
import http from 'node:http'
import net, { type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freePort } from '../net/free-port.ts'
import { LoopbackNetwork } from '../net/loopback-network.ts'
import { ROOT } from '../support/program.ts'

const run = promisify(execFile)

let network: LoopbackNetwork
let proxy: string
let socks: string
const servers: Server[] = []

async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return (server.address() as AddressInfo).port
}

/** What curl printed, its exit status, and the status with which the proxy answered. */
async function curl(...args: string[]): Promise<{ body: string; code: number; connect: string }> {
  const words = ['-sS', '--max-time', '20', '-w', '\n%{http_connect}', ...args]
  const { stdout, code } = await run('curl', words, { maxBuffer: 10_000_000 }).then(
    ({ stdout }) => ({ stdout, code: 0 }),
    (error: { stdout: string; code: number }) => error,
  )
  const lines = stdout.split('\n')
  return { connect: lines.pop() ?? '', body: lines.join('\n'), code }
}

const tunnel = (...args: string[]) => curl('--proxytunnel', '-x', `http://${proxy}`, ...args)

describe('the proxies of a client', () => {
  beforeAll(async () => {
    proxy = `127.0.0.1:${await freePort('127.0.0.1')}`
    network = new LoopbackNetwork({
      ...{ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'debug' },
      client: { httpProxy: proxy },
    })
    const { client } = await network.start()
    socks = `${client.socksHost}:${client.socksPort}`
  })

  afterAll(async () => {
    await network?.stop()
    for (const server of servers) server.close()
  })

  test('carry HTTP through circuits', async () => {
    const port = await listen(http.createServer((request, answer) => answer.end(`you asked for ${request.url}`)))
    expect(await tunnel(`http://127.0.0.1:${port}/x`)).toEqual({ body: 'you asked for /x', code: 0, connect: '200' })
    const bySocks = await curl('--socks5', socks, `http://127.0.0.1:${port}/z`)
    expect([bySocks.body, bySocks.code]).toEqual(['you asked for /z', 0])
  })

  test('carry a large answer whole', async () => {
    const data = Buffer.alloc(3_000_000, 'spn')
    const port = await listen(http.createServer((_request, answer) => answer.end(data)))
    const { body } = await tunnel(`http://127.0.0.1:${port}/`)
    expect(body === data.toString()).toBe(true)
  })

  test('say by status why there is no connection', async () => {
    const closed = await freePort('127.0.0.1')
    expect((await tunnel(`http://127.0.0.1:${closed}/`)).connect).toBe('502')
    expect((await tunnel('http://10.1.2.3/')).connect).toBe('403')
    expect((await tunnel('http://no-such-name.invalid/')).connect).toBe('502')
    const plain = await curl('-x', `http://${proxy}`, 'http://127.0.0.1:1/')
    expect(plain.body).toBe('This proxy only does CONNECT.\n')
  })

  test('pass no field of a request on to the destination, and log none', async () => {
    const seen: string[] = []
    const port = await listen(
      http.createServer((request, answer) => {
        seen.push(JSON.stringify(request.rawHeaders))
        answer.end('seen')
      }),
    )
    const fields = ['-U', 'some-user:some-password', '--proxy-header', 'X-Peculiar: some-words', '-A', 'some-agent']
    expect((await tunnel(...fields, '-H', 'X-Own: mine', `http://127.0.0.1:${port}/`)).body).toBe('seen')
    expect(seen).toEqual([expect.stringContaining('"X-Own","mine"')])
    expect(seen[0]).not.toMatch(/proxy|peculiar/i)
    const secret = Buffer.from('some-user:some-password').toString('base64')
    const output = network.programs.map((program) => program.output).join('\n')
    expect(output).not.toMatch(new RegExp(`some-|peculiar|X-Own|${secret}`, 'i'))
  })

  test('refuse what is no CONNECT that everybody reads alike, in one sentence', async () => {
    const long = ['--proxy-header', `X-Long: ${'x'.repeat(8192)}`]
    expect((await tunnel(...long, 'http://127.0.0.1:1/')).connect).toBe('400')
    const posted = await curl('-x', `http://${proxy}`, '-d', 'words', 'http://127.0.0.1:1/')
    expect(posted.body).toBe('This proxy only does CONNECT.\n')
    const spoken = await curl(`http://${proxy}/`)
    expect(spoken.body).toBe('This proxy only does CONNECT.\n')
  })

  test('keep half close: a request that ends is answered afterwards', async () => {
    const port = await listen(
      net.createServer({ allowHalfOpen: true }, (socket) => {
        let heard = ''
        socket.on('data', (chunk) => {
          heard += chunk
        })
        socket.on('end', () => socket.end(`heard ${heard}`))
      }),
    )
    const [host, own] = proxy.split(':')
    const socket = net.connect({ host: host as string, port: Number(own), allowHalfOpen: true })
    socket.end(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\nall of it`)
    let answer = ''
    for await (const chunk of socket) answer += chunk
    expect(answer).toBe('HTTP/1.1 200 Connection established\r\n\r\nheard all of it')
  })

  test('are shown by status, and their logs name no destination', async () => {
    const { stdout } = await run(join(ROOT, 'deploy/bin/spn'), ['status', '--config', network.clientConfig])
    const ports = { socksPort: Number(socks.split(':')[1]), httpProxyPort: Number(proxy.split(':')[1]) }
    expect(JSON.parse(stdout)).toMatchObject(ports)
    const client = network.programs.find(({ name }) => name === 'client')
    expect(client?.output).not.toMatch(/no-such-name|10\.1\.2\.3/)
  })
})
