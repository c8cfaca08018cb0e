import { type Packet, TCP } from './packet.ts'

/** One direction of one TCP connection, put together from captured packets. */
export interface TcpStream {
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  /** In order, repeated segments taken once, up to the first gap. */
  readonly bytes: Uint8Array
  /** Bytes that were captured behind a gap and are not in `bytes`. */
  readonly beyondGap: number
}

interface Segment {
  readonly offset: number
  readonly bytes: Uint8Array
}

interface Collected {
  readonly ends: Omit<TcpStream, 'bytes' | 'beyondGap'>
  /** Sequence number of the first byte. */
  readonly base: number
  readonly segments: Segment[]
}

/**
 * The streams of all connections, in the order in which they were first seen. A connection that began before the capture
 * starts with the first segment seen. Streams beyond 2 GiB are not supported.
 */
export function tcpStreams(packets: readonly Packet[]): TcpStream[] {
  const open = new Map<string, Collected>()
  const all: Collected[] = []
  for (const { ip } of packets) {
    if (ip?.protocol !== TCP || ip.tcp === undefined) continue
    const { source, sourcePort, destination, destinationPort } = ip
    const key = `${source} ${sourcePort} ${destination} ${destinationPort}`
    const base = (ip.tcp.sequence + (ip.tcp.syn ? 1 : 0)) >>> 0
    let stream = open.get(key)
    // A SYN with another number is a new connection between the same ends, not one that was sent again.
    if (stream === undefined || (ip.tcp.syn && stream.base !== base)) {
      stream = { ends: { source, sourcePort, destination, destinationPort }, base, segments: [] }
      open.set(key, stream)
      all.push(stream)
    }
    if (ip.payload.length > 0) stream.segments.push({ offset: (base - stream.base) | 0, bytes: ip.payload })
  }
  return all.map(({ ends, segments }) => ({ ...ends, ...assemble(segments) }))
}

function assemble(segments: readonly Segment[]): Pick<TcpStream, 'bytes' | 'beyondGap'> {
  const parts: Uint8Array[] = []
  let end = 0
  let beyondGap = 0
  for (const { offset, bytes } of segments.toSorted((a, b) => a.offset - b.offset)) {
    if (offset > end) beyondGap += bytes.length
    else if (offset + bytes.length > end) {
      parts.push(bytes.subarray(end - offset))
      end = offset + bytes.length
    }
  }
  return { bytes: Buffer.concat(parts), beyondGap }
}
