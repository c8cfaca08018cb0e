import type { HostPlan } from './host-plan.ts'

/** An entry of the geolocation override list that the programs read: where a range of addresses is. */
export interface Override {
  /** `198.18.1.0/24`, `2001:db8:1::/48`. */
  readonly range: string
  readonly latitude: number
  readonly longitude: number
  readonly country: string
  readonly city: string
  readonly asn: number
}

/** The override list that puts every host of the world where its spec says. */
export function overridesOf(plans: readonly HostPlan[]): Override[] {
  return plans.flatMap(({ spec, ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((wire) => (wire === undefined ? [] : [{ range: wire.range, ...spec.place, asn: spec.asn }])),
  )
}
