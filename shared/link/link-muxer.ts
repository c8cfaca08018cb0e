import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import type { MonotonicClock } from '../base/clock.ts'
import type { Fault } from '../base/fault.ts'
import type { CellClass } from '../cell/cell.ts'
import type { BytePipe } from './byte-pipe.ts'
import type { CircuitEnd } from './circuit-end.ts'
import { ControlStream } from './control-stream.ts'
import type { Link, LinkOptions } from './link.ts'
import { LinkDriver } from './link-driver.ts'

export const LINK_PROTOCOL = '/spn/link/1'

/** libp2p's own streams on a link: few and slow. Windows stay below what a paused reader may buffer. */
const CONTROL_YAMUX = {
  enableKeepAlive: false,
  maxInboundStreams: 32,
  maxOutboundStreams: 32,
  streamOptions: { initialStreamWindowSize: 256 * 1024, maxStreamWindowSize: 1024 * 1024 },
}

export interface MuxerParts {
  readonly options: LinkOptions
  readonly pipe: (stream: MessageStream) => BytePipe
  readonly clock: MonotonicClock
  /** There is a link; it may be used from `onReady` on. */
  readonly onStart: (link: Link) => void
  readonly onReady: (link: Link) => void
  readonly onCircuit: (link: Link, end: CircuitEnd, cellClass: CellClass, body: Uint8Array) => void
  readonly onClosed: (link: Link, fault: Fault) => void
}

/**
 * The muxer of a link: libp2p's own streams by a standard yamux in CONTROL frames, circuits beside it as native
 * streams. What libp2p gets to see is that yamux.
 */
export class LinkMuxerFactory implements StreamMuxerFactory {
  readonly protocol = LINK_PROTOCOL
  readonly #parts: MuxerParts

  constructor(parts: MuxerParts) {
    this.#parts = parts
  }

  createStreamMuxer(stream: MessageStream): StreamMuxer {
    const { options, pipe, clock, onStart, onReady, onCircuit, onClosed } = this.#parts
    const driver = new LinkDriver(
      pipe(stream),
      options,
      {
        ready: () => onReady(driver.link),
        circuit: (end, cellClass, body) => onCircuit(driver.link, end, cellClass, body),
        control: (bytes) => control.onData(bytes.slice()),
        drained: () => control.drained(),
        closed: (fault) => {
          control.onTransportClosed()
          onClosed(driver.link, fault)
        },
      },
      clock,
    )
    onStart(driver.link)
    const control = new ControlStream(driver.link, stream.log, stream.direction)
    const muxer = yamux(CONTROL_YAMUX)().createStreamMuxer(control)
    muxer.protocol = LINK_PROTOCOL
    driver.start()
    return muxer as StreamMuxer
  }
}
