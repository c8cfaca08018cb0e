import { toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { VERSION } from '../shared/base/version.ts'
import { provedFamily } from '../shared/map/family.ts'
import type { SelfDescription } from './announcer.ts'
import type { HubOptions } from './options.ts'

/** What a hub says of itself: what its operator wrote, and what is so at the moment. Pure. */
export function describeHub(
  options: HubOptions,
  now: Pick<SelfDescription, 'circuitKey' | 'roles' | 'status'>,
): SelfDescription {
  return {
    ...now,
    linkAddresses: options.announce ?? options.listen,
    noiseAddresses: options.announceNoise ?? options.listenNoise,
    exitPolicy: options.exitPolicy,
    operator: options.operator,
    family: options.family,
    contact: options.contact,
    version: VERSION,
    capacityKbits: Math.round(options.capacityMbit * 1000),
    place: options.place,
  }
}

/** @throws Fault options-invalid for a family that directories would refuse */
export function checkFamily(proof: string, hubId: Uint8Array, networkId: Uint8Array): void {
  if (provedFamily(proof, hubId, networkId) !== undefined) return
  const id = toHex(hubId)
  throw new Fault('options-invalid', {
    mistakes: `family: expected what the holder of its key answered for this hub, ${id}; \`spn-directory sign-request hub\` asks for it`,
  })
}
