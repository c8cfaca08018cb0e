import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import type { IpAddress } from '../../shared/base/ip-address.ts'
import type { Random } from '../../shared/base/random.ts'
import type { Target } from '../../shared/cell/target.ts'
import { ChannelPool } from './channel-pool.ts'
import { type DnsChannel, PADDED_BYTES, StreamChannel } from './dns-channel.ts'
import type { UpstreamSettings } from './dns-options.ts'
import type { DnsWay } from './dns-way.ts'
import { DohChannel } from './doh-channel.ts'
import type { Upstream } from './upstream.ts'

export interface TunnelUpstreamParts {
  readonly clock: MonotonicClock
  readonly random: Random
  /** Certificates that are trusted; those of Node if not given. */
  readonly ca: string | undefined
}

/** Every upstream is reached through circuits only: the exit itself, or a server that the exit connects to. */
export function tunnelUpstream(settings: UpstreamSettings, parts: TunnelUpstreamParts): Upstream {
  const { random } = parts
  switch (settings.kind) {
    case 'exit':
      return pooled('exit', parts, ({ connect }) => new StreamChannel(connect({ kind: 'dns' }), random, 0))
    case 'tls': {
      const { server, port, address } = settings
      const open = ({ connect }: DnsWay): Duplex =>
        secured(connect(targetOf(server, port, address)), server, 'dot', parts)
      return pooled(`tls://${server}:${port}`, parts, (way) => new StreamChannel(open(way), random, PADDED_BYTES))
    }
    case 'https': {
      const { url, address } = settings
      const target = targetOf(url.hostname, Number(url.port || 443), address)
      const open = ({ connect }: DnsWay): Duplex => secured(connect(target), url.hostname, 'h2', parts)
      return pooled(url.href, parts, (way) => new DohChannel(url, open(way)))
    }
    default:
      return settings satisfies never
  }
}

function pooled(
  name: string,
  { clock, random }: Pick<TunnelUpstreamParts, 'clock' | 'random'>,
  open: (way: DnsWay) => DnsChannel,
): Upstream {
  const pool = new ChannelPool({ clock, random, open })
  return {
    name,
    ask: (ask, way, signal) => pool.ask(ask, way, signal),
    renew: (way) => pool.renew(way),
    get circuits() {
      return pool.size
    },
    tick: (now) => pool.tick(now),
    close: () => pool.close(),
  }
}

/** By name where no address is configured: then the exit looks it up. */
function targetOf(name: string, port: number, address: IpAddress | undefined): Target {
  return address === undefined ? { kind: 'name', name, port } : { kind: 'ip', address, port }
}

/** TLS inside the circuit: the exit sees neither questions nor answers. The certificate is verified against the name. */
function secured(circuit: Duplex, server: string, protocol: string, { ca }: TunnelUpstreamParts): Duplex {
  const trusted = ca === undefined ? {} : { ca }
  const socket = tls.connect({ socket: circuit, servername: server, ALPNProtocols: [protocol], ...trusted })
  socket.once('close', () => circuit.destroy())
  return socket
}
