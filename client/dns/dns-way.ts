import type { Duplex } from 'node:stream'
import type { StreamPurpose } from '../../shared/cell/purpose.ts'

/** How a question goes out, as the rules want it for its name. */
export interface DnsRoute {
  /** What tells this route from others; empty if nothing is asked of it. */
  readonly text: string
  /** A new circuit as a stream. */
  readonly connect: (purpose: StreamPurpose) => Duplex
}

/** How questions of one app about names of one site go out. */
export interface DnsWay {
  /** What has the same key may share a circuit, and nothing else. */
  readonly key: string
  readonly connect: DnsRoute['connect']
}
