/**
 * A server of the world, as a program, that answers the first thing that a caller says, and leaves: a TCP connection is
 * reset, the UDP socket is closed, so that its port is closed from then on.
 *
 *     node leaving-server.ts PORT
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** What was said is at the caller by then. */
const LEAVE_AFTER_MS = 300
const port = Number(process.argv[2])

const tcp = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.once('data', () => {
    socket.write('answer')
    setTimeout(() => socket.resetAndDestroy(), LEAVE_AFTER_MS)
  })
})
tcp.listen(port, '::')

for (const [type, address] of [
  ['udp4', '0.0.0.0'],
  ['udp6', '::'],
] as const) {
  const udp = createSocket({ type, ipv6Only: type === 'udp6' })
  udp.once('message', (_, caller) => udp.send('answer', caller.port, caller.address, () => udp.close()))
  udp.bind(port, address)
  await once(udp, 'listening')
}
console.log('ready')
