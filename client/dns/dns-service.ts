import { readFileSync } from 'node:fs'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { IpRange } from '../../shared/base/ip-address.ts'
import type { Random } from '../../shared/base/random.ts'
import { DnsListener, type FindAsker } from './dns-listener.ts'
import type { DnsOptions } from './dns-options.ts'
import { DnsResolver, type DnsResolverParts } from './dns-resolver.ts'
import { NO_HOSTS } from './hosts-file.ts'
import { HostsWatch } from './hosts-watch.ts'
import { tunnelUpstream } from './tunnel-upstreams.ts'
import { UpstreamRace } from './upstream-race.ts'

export interface DnsServiceParts {
  readonly clock: MonotonicClock
  readonly random: Random
  readonly routeOf: DnsResolverParts['routeOf']
  /** Ranges that this network counts as public. */
  readonly addressScope: () => readonly IpRange[]
  readonly refuses: NonNullable<DnsResolverParts['refuses']>
  /** Which program has sent this; nothing where that is not known. */
  readonly askerOf?: FindAsker
}

/** The resolver of this computer with what it needs: the hosts file, upstreams, a port. */
export class DnsService {
  readonly resolver: DnsResolver
  readonly #hosts: HostsWatch | undefined
  readonly #listener: DnsListener | undefined

  /** @throws Fault options-invalid if the file of certificates can not be read */
  constructor(options: DnsOptions, parts: DnsServiceParts) {
    const { clock, random, routeOf, addressScope } = parts
    const ca = options.caFile === undefined ? undefined : readCertificates(options.caFile)
    const hosts = options.hostsFile === null ? undefined : new HostsWatch(options.hostsFile)
    const upstreams = options.upstreams.map((settings) => tunnelUpstream(settings, { clock, random, ca }))
    const after = (ms: number): AbortSignal => AbortSignal.timeout(ms)
    this.#hosts = hosts
    this.resolver = new DnsResolver(options, {
      ...{ clock, random },
      upstreams: new UpstreamRace(upstreams, { clock, addressScope, after }),
      hosts: () => hosts?.table ?? NO_HOSTS,
      ...{ refuses: parts.refuses, routeOf },
    })
    this.#listener = options.listen === null ? undefined : new DnsListener(options.listen, this.resolver, parts.askerOf)
  }

  /** The port that programs find the resolver at, if there is one. */
  get port(): number | undefined {
    return this.#listener?.port
  }

  /** @throws Fault port-in-use, address-unavailable, capability-missing */
  async start(): Promise<void> {
    this.#hosts?.start()
    await this.#listener?.start()
  }

  async close(): Promise<void> {
    this.#hosts?.close()
    this.resolver.close()
    await this.#listener?.close()
  }
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Fault('options-invalid', { file, mistakes: 'it can not be read' }, cause)
  }
}
