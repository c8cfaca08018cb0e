/**
 * A server of the world, as a program, that tells every caller the address and port it sees, as `198.18.1.2 40123` and a
 * line break. On TCP it speaks first and closes; on UDP it answers each datagram.
 *
 *     node address-server.ts PORT
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const port = Number(process.argv[2])

const tcp = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.resume()
  socket.end(tell(socket.remoteAddress ?? '', socket.remotePort ?? 0))
})
const udp = createSocket({ type: 'udp6', ipv6Only: false })
udp.on('message', (_, caller) => udp.send(tell(caller.address, caller.port), caller.port, caller.address))

tcp.listen(port, '::')
udp.bind(port, '::')
await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
console.log('ready')

function tell(address: string, callerPort: number): string {
  return `${address.replace(/^::ffff:/, '')} ${callerPort}\n`
}
