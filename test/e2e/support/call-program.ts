/**
 * A program that calls a server that speaks first (`test/world/address-server.ts`), again and again, through a SOCKS proxy.
 *
 *     node call-program.ts PROXY-PORT ADDRESS PORT
 *
 * A line `COUNT EVERY-MS` on its standard input begins so many calls, one in every so many ms. When a call is over it writes
 * a line of JSON (`Call`), and `done` behind the last of a line.
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** What became of a call. */
export interface Call {
  /** Until the proxy said that the connection is there; undefined if it never did. */
  readonly connectMs?: number
  /** Whom the server saw; undefined if nothing came of the connection. */
  readonly seen?: string
  /** When it began, by the clock of the machine. */
  readonly startedAt: number
  readonly failure?: string
}

const [proxyPort = '', address = '', port = ''] = process.argv.slice(2)
const OCTETS = address.split('.').map(Number)
const REQUEST = Uint8Array.of(5, 1, 0, 5, 1, 0, 1, ...OCTETS, Number(port) >> 8, Number(port) & 0xff)
const METHOD_BYTES = 2
/** Where the reply has its code, and where what the server says begins. */
const CODE_AT = METHOD_BYTES + 1
const REPLY_BYTES = METHOD_BYTES + 10
const GIVE_UP_MS = 30_000

function call(): Promise<Call> {
  const startedAt = Date.now()
  const start = performance.now()
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(proxyPort), noDelay: true, timeout: GIVE_UP_MS })
    let heard = Buffer.alloc(0)
    let connectMs: number | undefined
    const end = (failure?: string): void => {
      const seen = heard.subarray(REPLY_BYTES).toString().split(' ')[0]
      resolve({
        startedAt,
        ...(connectMs === undefined ? {} : { connectMs }),
        ...(seen === undefined || seen === '' ? {} : { seen }),
        ...(failure === undefined ? {} : { failure }),
      })
      socket.destroy()
    }
    socket.on('data', (bytes) => {
      heard = Buffer.concat([heard, bytes])
      if (heard.length < REPLY_BYTES || connectMs !== undefined) return
      if (heard[CODE_AT] !== 0) return end(`refused (${heard[CODE_AT]})`)
      connectMs = performance.now() - start
    })
    socket.on('timeout', () => end('silent'))
    socket.on('error', ({ message }) => end(message))
    socket.on('close', () => end())
    socket.write(REQUEST)
  })
}

async function callMany(count: number, everyMs: number): Promise<void> {
  const calls: Promise<void>[] = []
  for (let i = 0; i < count; i++) {
    calls.push(call().then((result) => console.log(JSON.stringify(result))))
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
