/**
 * The DNS server of the world, as a program: UDP and TCP, port 53, IPv4 and IPv6.
 *
 *     node dns-server.ts TABLE.json
 *
 * Writes `ready`, then one line of JSON per question: `{ from, name, type, transport }`.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { answerDns, type DnsReply } from './dns-answer.ts'
import type { NameTable } from './name-files.ts'

const PORT = 53
const names = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as NameTable

const udp = createSocket({ type: 'udp6', ipv6Only: false })
udp.on('message', (bytes, caller) => {
  const reply = answerDns(bytes, names, 'udp')
  if (reply === undefined) return
  note(reply, caller.address, 'udp')
  udp.send(reply.bytes, caller.port, caller.address)
})

const tcp = createServer((socket) => {
  let held = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    held = answerStream(socket, Buffer.concat([held, chunk]))
  })
})

udp.bind(PORT, '::')
tcp.listen(PORT, '::')
await Promise.all([once(udp, 'listening'), once(tcp, 'listening')])
console.log('ready')

/** Each message on TCP follows its length in two bytes. Gives what is not a whole message yet. */
function answerStream(socket: Socket, bytes: Buffer): Buffer<ArrayBuffer> {
  let rest = bytes
  while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
    const end = 2 + rest.readUInt16BE(0)
    const reply = answerDns(rest.subarray(2, end), names, 'tcp')
    rest = rest.subarray(end)
    if (reply === undefined) {
      socket.destroy()
      break
    }
    note(reply, socket.remoteAddress ?? '', 'tcp')
    const length = Buffer.alloc(2)
    length.writeUInt16BE(reply.bytes.length)
    socket.write(Buffer.concat([length, reply.bytes]))
  }
  return Buffer.from(rest)
}

function note({ question }: DnsReply, from: string, transport: 'udp' | 'tcp'): void {
  console.log(JSON.stringify({ from: from.replace(/^::ffff:/, ''), ...question, transport }))
}
