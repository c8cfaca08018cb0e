import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
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
const folder = mkdtempSync(join(tmpdir(), 'spn-proxies-'))
const rulesFile = join(folder, 'rules.yaml')

async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return (server.address() as AddressInfo).port
}

/** What curl printed, its exit status, and the status with which the proxy answered. */
async function curl(...args: string[]): Promise<{ body: string; code: number; connect: string }> {
  const words = ['-sS', '--max-time', '60', '-w', '\n%{http_connect}', ...args]
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
    writeFileSync(rulesFile, 'global: { rules: ["- .blocked.example", drop dropped.example, direct direct.example] }')
    network = new LoopbackNetwork({
      ...{ hubs: 4, hops: 3, socks: { host: '127.0.0.1', port: 0 }, logLevel: 'debug' },
      client: { httpProxy: proxy, rulesFile },
    })
    const { client } = await network.start()
    socks = `${client.socksHost}:${client.socksPort}`
  })

  afterAll(async () => {
    await network?.stop()
    for (const server of servers) server.close()
    rmSync(folder, { recursive: true })
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

  test('say no where the rules do', async () => {
    const answered = async (name: string): Promise<string> => {
      const socket = net.connect({ host: '127.0.0.1', port: Number(proxy.split(':')[1]) })
      socket.write(`CONNECT ${name}:80 HTTP/1.1\r\nHost: ${name}:80\r\n\r\n`)
      let answer = ''
      for await (const chunk of socket) answer += chunk
      return answer
    }
    expect(await answered('www.blocked.example')).toMatch(/^HTTP\/1.1 403 [\s\S]*\nA rule blocks this connection\.\n$/)
    expect(await answered('direct.example')).toMatch(
      /^HTTP\/1.1 403 [\s\S]*\nA rule sends this connection past the network/,
    )
    expect(await answered('dropped.example')).toBe('')
    // The reply "not allowed", for which curl has this status.
    expect((await curl('--socks5-hostname', socks, 'http://blocked.example/')).code).toBe(97)
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

  test('cut what new rules do not let through, and nothing else', async () => {
    const echo = (): Promise<number> =>
      listen(net.createServer((socket) => void socket.on('error', () => {}).pipe(socket)))
    const [kept, gone] = await Promise.all([echo(), echo()])
    const connect = async (port: number): Promise<net.Socket> => {
      const socket = net.connect({ host: '127.0.0.1', port: Number(proxy.split(':')[1]) })
      socket.on('error', () => {})
      socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
      await once(socket, 'data')
      return socket
    }
    const [one, other] = [await connect(kept), await connect(gone)]
    writeFileSync(rulesFile, `global: { rules: "- 127.0.0.0/8 TCP/${gone}" }`)
    await new Promise((resolve) => other.once('close', resolve))
    one.write('still there')
    expect(String((await once(one, 'data'))[0])).toBe('still there')
    one.destroy()
    expect((await tunnel(`http://127.0.0.1:${gone}/`)).connect).toBe('403')
  })

  test('are shown by status, and their logs name no destination', async () => {
    const { stdout } = await run(join(ROOT, 'deploy/bin/spn'), ['status', '--config', network.clientConfig])
    const ports = { socksPort: Number(socks.split(':')[1]), httpProxyPort: Number(proxy.split(':')[1]) }
    expect(JSON.parse(stdout)).toMatchObject(ports)
    const client = network.programs.find(({ name }) => name === 'client')
    expect(client?.output).not.toMatch(/no-such-name|10\.1\.2\.3|blocked|dropped/)
  })
})
