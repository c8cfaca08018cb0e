/**
 * Makes the SOCKS port of the demo's user machine reachable from outside of its namespace: files are the same there,
 * so a unix socket is the way between.
 *
 *     node socks-bridge.ts SOCKET_FILE PORT      inside: what comes by the socket goes to 127.0.0.1:PORT
 */
import net from 'node:net'

const [file = '', port = ''] = process.argv.slice(2)

net
  .createServer({ allowHalfOpen: true }, (outer) => {
    const inner = net.connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
    for (const socket of [outer, inner]) socket.on('error', () => [outer, inner].map((one) => one.destroy()))
    outer.pipe(inner)
    inner.pipe(outer)
  })
  .listen(file, () => console.log('ready'))
