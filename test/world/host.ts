import type { Place } from '../../shared/geo/place.ts'
import type { HostPlan } from './host-plan.ts'
import { Namespace } from './namespace.ts'
import { setWire } from './wires.ts'

/** A computer of the world. Its wire is its interface `eth0`. */
export class Host extends Namespace {
  readonly plan: HostPlan
  readonly #router: Namespace

  constructor(id: string, plan: HostPlan, router: Namespace) {
    super(id, plan.spec.name)
    this.plan = plan
    this.#router = router
  }

  get place(): Place {
    return this.plan.spec.place
  }

  /** Throws if the host has no IPv4. */
  get ipv4(): string {
    return this.#address('ipv4')
  }

  /** Throws if the host has no IPv6. */
  get ipv6(): string {
    return this.#address('ipv6')
  }

  /** The name that the DNS of the world knows it by. */
  get dnsName(): string {
    return `${this.name}.test`
  }

  /** Pulls the plug out of the wall: nothing gets to or from the host until `plugIn`. */
  async unplug(): Promise<void> {
    await setWire(this.#router.id, this.name, 'down')
  }

  async plugIn(): Promise<void> {
    await setWire(this.#router.id, this.name, 'up')
  }

  #address(family: 'ipv4' | 'ipv6'): string {
    const wire = this.plan[family]
    if (wire === undefined) throw new Error(`${this.name} has no ${family} address`)
    return wire.address
  }
}
