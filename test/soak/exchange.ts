import { createCipheriv, createHash, type Hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'

/** Bytes made, hashed and written at once. */
const CHUNK_BYTES = 64 * 1024
const ZEROS = Buffer.alloc(CHUNK_BYTES)
/** A connection on which nothing moves for so long has failed. */
const STALLED_MS = 60_000

export interface ExchangeOptions {
  /** How many bytes each side sends. */
  readonly bytes: number
  /** This side keeps its last chunk back until the other has ended: only a connection that keeps half close gets it. */
  readonly endsLast: boolean
}

/** What one end saw. SHA-256, hexadecimal. */
export interface Exchanged {
  readonly bytesReceived: number
  readonly sent: string
  readonly received: string
}

/** Sends bytes that nobody else sends, and reads those of the other side at the same time, until both have ended. */
export async function exchange(socket: Socket, { bytes, endsLast }: ExchangeOptions): Promise<Exchanged> {
  const received = createHash('sha256')
  let bytesReceived = 0
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => {
      received.update(chunk)
      bytesReceived += chunk.length
    })
    socket.once('end', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`closed after ${bytesReceived} bytes`)))
    socket.setTimeout(STALLED_MS, () => socket.destroy(new Error(`nothing moves after ${bytesReceived} bytes`)))
  })
  const sent = createHash('sha256')
  await Promise.all([ended, send(socket, bytes, sent, endsLast ? ended : Promise.resolve())])
  return { bytesReceived, sent: sent.digest('hex'), received: received.digest('hex') }
}

async function send(socket: Socket, bytes: number, hash: Hash, beforeLast: Promise<void>): Promise<void> {
  const stream = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16))
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
    if (left <= CHUNK_BYTES) await beforeLast
    const chunk = stream.update(ZEROS.subarray(0, Math.min(left, CHUNK_BYTES)))
    hash.update(chunk)
    if (!socket.write(chunk)) await drained(socket)
  }
  socket.end()
}

async function drained(socket: Socket): Promise<void> {
  const giveUp = new AbortController()
  const stop = (): void => giveUp.abort()
  socket.once('close', stop)
  await once(socket, 'drain', { signal: giveUp.signal }).finally(() => socket.off('close', stop))
}
