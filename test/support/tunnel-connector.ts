import type { App } from '../../client/apps/app.ts'
import type { ConnectionView } from '../../client/connection-list.ts'
import type { Connector, Tunnel, TunnelSink } from '../../client/connector.ts'
import { concatBytes } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { StreamPurpose } from '../../shared/cell/purpose.ts'

/** A tunnel of which the test is the other end. */
export class TestTunnel implements Tunnel {
  readonly target: StreamPurpose
  readonly by: ConnectionView['by']
  readonly sink: TunnelSink
  readonly app: Promise<App | undefined> | undefined
  readonly calls: string[] = []
  readonly written: Uint8Array[] = []
  released = 0
  hasRoom = true

  constructor(target: StreamPurpose, by: ConnectionView['by'], sink: TunnelSink, app?: Promise<App | undefined>) {
    this.app = app
    this.target = target
    this.by = by
    this.sink = sink
  }

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes.slice())
    return this.hasRoom
  }

  finish(): void {
    this.calls.push('finish')
  }

  /** As the real one does, it tells that it is over, once. */
  reset(): void {
    if (this.calls.includes('reset')) return
    this.calls.push('reset')
    this.sink.closed(new Fault('cancelled'))
  }

  release(cost: number): void {
    this.released += cost
  }

  get text(): string {
    return Buffer.from(concatBytes(...this.written)).toString()
  }
}

/** A connector whose tunnels the test leads. */
export class TunnelConnector {
  readonly tunnels: TestTunnel[] = []
  /** What to do with a new tunnel, after the call that opened it. */
  onOpen: (tunnel: TestTunnel) => void = () => {}

  get connector(): Connector {
    const open: Connector['open'] = (target, by, sink, app): Tunnel => {
      const tunnel = new TestTunnel(target, by, sink, app)
      this.tunnels.push(tunnel)
      queueMicrotask(() => this.onOpen(tunnel))
      return tunnel
    }
    return { open } as unknown as Connector
  }
}
