import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { IpFamily } from '../shared/base/ip-address.ts'

/** What a directory knows of itself when somebody looks. */
export interface DirectoryFacts {
  /** Hubs whose descriptor is held; undefined while the store does not answer. */
  readonly descriptors: number | undefined
  /** Hubs of the newest map. */
  readonly mapHubs: number
  readonly mapEpoch: number
  /** Until the newest map must not be used any more; negative since then. */
  readonly mapValidForS: number
  readonly listEntries: number
  readonly listRefused: boolean
}

/**
 * Numbers for Prometheus. Labels are words of the program alone, never an address, a hub or a path that somebody asked
 * for: so there are few, and none tells of anybody.
 */
export class DirectoryMetrics {
  readonly #registry = new Registry()
  readonly #descriptors = this.#counter('spn_directory_descriptors_total', 'Descriptors by what became of them', [
    'result',
  ])
  readonly #probes = this.#counter('spn_directory_probes_total', 'Addresses that were dialled', ['family', 'result'])
  readonly #failures = this.#counter('spn_directory_failures_total', 'Work that failed, by the log', ['what'])
  readonly #answers: Histogram<'route' | 'status'>

  constructor(facts: () => Promise<DirectoryFacts>) {
    const { registers } = { registers: [this.#registry] }
    this.#answers = new Histogram({
      name: 'spn_directory_answer_seconds',
      help: 'Requests by route and status, with the time until they were answered',
      labelNames: ['route', 'status'],
      buckets: [0.001, 0.01, 0.1, 1, 10],
      registers,
    })
    const gauges: Readonly<Record<keyof DirectoryFacts, readonly [name: string, help: string]>> = {
      descriptors: ['spn_directory_descriptors', 'Hubs whose descriptor is held'],
      mapHubs: ['spn_directory_map_hubs', 'Hubs of the newest map'],
      mapEpoch: ['spn_directory_map_epoch', 'Epoch of the newest map'],
      mapValidForS: ['spn_directory_map_valid_seconds', 'Until the newest map must not be used any more'],
      listEntries: ['spn_directory_list_entries', 'Entries of the lists in force'],
      listRefused: ['spn_directory_list_refused', 'Whether the file of the lists is not in force'],
    }
    for (const [fact, [name, help]] of Object.entries(gauges)) {
      const collect = async function (this: Gauge): Promise<void> {
        this.set(Number((await facts())[fact as keyof DirectoryFacts]))
      }
      new Gauge({ name, help, registers, collect })
    }
    collectDefaultMetrics({ register: this.#registry })
  }

  /** @param result a word of the interface or the code of a fault */
  descriptor(result: string): void {
    this.#descriptors.inc({ result })
  }

  probed(family: IpFamily, reached: boolean): void {
    this.#probes.inc({ family: String(family), result: reached ? 'reached' : 'failed' })
  }

  failed(what: string): void {
    this.#failures.inc({ what })
  }

  answered(route: string, status: number, seconds: number): void {
    this.#answers.observe({ route, status: String(status) }, seconds)
  }

  /** As Prometheus reads it. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  close(): void {
    this.#registry.clear()
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }
}
