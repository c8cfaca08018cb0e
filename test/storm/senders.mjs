// Programs of a user who want out all the time: TCP and UDP to the addresses that are given, until it is ended.
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'

const [v4, v6] = process.argv.slice(2)
const EVERY_MS = 20
const GIVE_UP_MS = 300
const [TCP_PORT, UDP_PORT] = [80, 5353]
const MAX_OPEN = 64

const sockets = [
  ['udp4', v4],
  ['udp6', v6],
].map(([type, host]) => ({ socket: createSocket(type).on('error', () => undefined), host }))
let open = 0

setInterval(() => {
  for (const { socket, host } of sockets) socket.send('x', UDP_PORT, host, () => undefined)
  for (const host of [v4, v6]) {
    if (open >= MAX_OPEN) continue
    open++
    const tcp = connect({ host, port: TCP_PORT })
    tcp.on('error', () => undefined)
    tcp.once('connect', () => tcp.end('GET / HTTP/1.0\r\n\r\n'))
    tcp.once('close', () => open--)
    setTimeout(() => tcp.destroy(), GIVE_UP_MS)
  }
}, EVERY_MS)
