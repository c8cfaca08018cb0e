/**
 * The destination of the measurements, a process of its own: a client sends `u64 n` and gets n bytes; n = 0 asks for
 * one byte back. Prints its port. Memory is filled once, so that serving costs next to nothing.
 */
import net from 'node:net'

const CHUNK = Buffer.alloc(256 * 1024, 0x5a)

const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.on('data', (request) => {
    let left = Number(request.readBigUInt64BE(0))
    if (left === 0) return void socket.write(CHUNK.subarray(0, 1))
    const send = (): void => {
      while (left > 0) {
        const part = left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left)
        left -= part.length
        if (!socket.write(part)) return void socket.once('drain', send)
      }
    }
    send()
  })
})
server.listen(0, '0.0.0.0', () => console.log((server.address() as net.AddressInfo).port))
process.on('SIGTERM', () => process.exit(0))
