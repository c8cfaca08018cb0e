/**
 * A program that calls two servers in turn through a SOCKS proxy, again and again: one that speaks first and ends, as those of
 * mail and shells do (`test/world/address-server.ts`), and a web server that it asks for a page (`test/world/http-server.ts`).
 * Both tell whom they see.
 *
 *     node call-program.ts PROXY-PORT ADDRESS PORT WEB-PORT
 *
 * A line `COUNT EVERY-MS` on its standard input begins so many calls, one in every so many ms. When a call is over it writes
 * a line of JSON (`Call`), and `done` behind the last of a line.
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** What became of a call. */
export interface Call {
  readonly server: 'speaks first' | 'web'
  /** Until the proxy said that the connection is there; undefined if it never did. */
  readonly connectMs?: number
  /** Whom the server saw; undefined unless the whole answer came. */
  readonly seen?: string
  /** Why the connection was not made, or how it broke. */
  readonly failure?: string
}

const [proxyPort = '', address = '', port = '', webPort = ''] = process.argv.slice(2)
const OCTETS = address.split('.').map(Number)
const PAGE_REQUEST = `GET /address HTTP/1.1\r\nhost: ${address}\r\nconnection: close\r\n\r\n`
const METHOD_BYTES = 2
/** Where the reply has its code, and where what the server says begins. */
const CODE_AT = METHOD_BYTES + 1
const REPLY_BYTES = METHOD_BYTES + 10
const GIVE_UP_MS = 30_000
/** What either server says, to its end. */
const WHOLE_ANSWER = /^(?:HTTP\/1\.1 200 .*\r\n\r\n)?(?<seen>[\d.]+)[ \d]*\n$/s

const socksRequest = (to: number): Uint8Array => Uint8Array.of(5, 1, 0, 5, 1, 0, 1, ...OCTETS, to >> 8, to & 0xff)

function call(server: Call['server']): Promise<Call> {
  const start = performance.now()
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(proxyPort), noDelay: true, timeout: GIVE_UP_MS })
    let heard = Buffer.alloc(0)
    let connectMs: number | undefined
    const end = (failure?: string): void => {
      const seen = WHOLE_ANSWER.exec(heard.subarray(REPLY_BYTES).toString())?.groups?.seen
      resolve({
        server,
        ...(connectMs === undefined ? {} : { connectMs }),
        ...(seen === undefined ? {} : { seen }),
        ...(failure === undefined ? {} : { failure }),
      })
      socket.destroy()
    }
    socket.on('data', (bytes) => {
      heard = Buffer.concat([heard, bytes])
      if (heard.length < REPLY_BYTES || connectMs !== undefined) return
      if (heard[CODE_AT] !== 0) return end(`refused (${heard[CODE_AT]})`)
      connectMs = performance.now() - start
      if (server === 'web') socket.write(PAGE_REQUEST)
    })
    socket.on('timeout', () => end('silent'))
    socket.on('error', ({ message }) => end(message))
    socket.on('close', () => end())
    socket.write(socksRequest(Number(server === 'web' ? webPort : port)))
  })
}

async function callMany(count: number, everyMs: number): Promise<void> {
  const calls: Promise<void>[] = []
  for (let i = 0; i < count; i++) {
    calls.push(call(i % 2 === 0 ? 'speaks first' : 'web').then((result) => console.log(JSON.stringify(result))))
    await sleep(everyMs)
  }
  await Promise.all(calls)
  console.log('done')
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [count = 0, everyMs = 0] = line.split(' ').map(Number)
  void callMany(count, everyMs)
})
console.log('ready')
