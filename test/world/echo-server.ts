/**
 * An echo server of the world, as a program, on TCP and UDP. On TCP it echoes until the caller's side is closed, and only
 * then closes its own, so that half-closed connections can be tested.
 *
 *     node echo-server.ts PORT
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const port = Number(process.argv[2])

const tcp = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
})
const udp = createSocket({ type: 'udp6', ipv6Only: false })
udp.on('message', (bytes, caller) => udp.send(bytes, caller.port, caller.address))

tcp.listen(port, '::')
udp.bind(port, '::')
await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
console.log('ready')
