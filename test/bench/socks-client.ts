import net, { type Socket } from 'node:net'

/**
 * Connects through a SOCKS 5 proxy to 127.0.0.1:port.
 * @param allowHalfOpen the end of the other side does not end ours
 * @throws if the proxy refuses
 */
export function connectBySocks(
  proxy: { host: string; port: number },
  port: number,
  allowHalfOpen = false,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...proxy, noDelay: true, allowHalfOpen })
    let answer = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length < 12) return
      socket.off('data', onData)
      if (answer[3] === 0) resolve(socket)
      else reject(new Error(`SOCKS reply ${answer[3]}`))
    }
    socket.on('data', onData)
    socket.once('error', reject)
    // Greeting and request together: the proxy has to cope with both orders.
    socket.write(Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff))
  })
}

/** Asks the bulk server for so many bytes and reads them all. */
export function download(socket: Socket, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = bytes
    socket.on('data', (chunk) => {
      left -= chunk.length
      if (left === 0) {
        socket.destroy()
        resolve()
      }
    })
    socket.once('error', reject)
    socket.once('close', () => {
      if (left > 0) reject(new Error(`closed with ${left} bytes missing`))
    })
    const request = Buffer.alloc(8)
    request.writeBigUInt64BE(BigInt(bytes))
    socket.write(request)
  })
}

/** Asks for one byte; ms until it is there. */
export function firstByte(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('data', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without a byte')))
    socket.write(Buffer.alloc(8))
  })
}
