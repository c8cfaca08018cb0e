/**
 * The destination of the soak run, a process of its own: a client sends `id u32 ‖ bytes u64 ‖ the server ends last u8`,
 * and both exchange so many bytes. Prints its port, then a JSON line `{"id", ...}` with what it saw of each connection.
 */
import net from 'node:net'
import { exchange } from './exchange.ts'
import { HEADER_BYTES, readHeader } from './header.ts'

const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  const onReadable = (): void => {
    const bytes = socket.read(HEADER_BYTES) as Buffer | null
    if (bytes === null) return
    socket.off('readable', onReadable)
    const { id, ...options } = readHeader(bytes)
    exchange(socket, options).then(
      (seen) => console.log(JSON.stringify({ id, ...seen })),
      (error: Error) => console.log(JSON.stringify({ id, failed: error.message })),
    )
  }
  socket.on('readable', onReadable)
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as net.AddressInfo).port))
process.on('SIGTERM', () => process.exit(0))
