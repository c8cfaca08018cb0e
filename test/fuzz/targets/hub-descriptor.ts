import type { HubOptions } from '../../../hub/options.ts'
import { HubKey } from '../../../shared/crypto/hub-key.ts'
import { signDescriptor, verifyDescriptor } from '../../../shared/map/descriptor.ts'
import type { LinkAddress } from '../../../shared/map/link-address.ts'
import { descriptorOf, NETWORK_ID } from '../../support/map-fixtures.ts'
import { promise } from '../fuzz-target.ts'
import { orFault } from './document-targets.ts'

const KEY = HubKey.fromSeed(new Uint8Array(32).fill(0x11))

/** What a hub with these options says of itself must be a descriptor that directories can read. */
export function describeHub(options: HubOptions): string {
  const { operator, family, contact, exitPolicy, roles, place, capacityMbit } = options
  const descriptor = descriptorOf(KEY, {
    ...{ operator, family, contact, exitPolicy, roles, place },
    linkAddresses: (options.announce ?? options.listen).map(withPort),
    noiseAddresses: options.listenNoise.map(withPort),
    capacityKbits: Math.round(capacityMbit * 1000),
  })
  const read = orFault(['encoding-invalid', 'descriptor-invalid', 'document-too-large'], () =>
    verifyDescriptor(signDescriptor(descriptor, KEY, NETWORK_ID), NETWORK_ID),
  )
  promise(typeof read === 'object', `what an operator may write, directories can read (${String(read)})`)
  return `taken ${options.place === undefined ? '' : 'place'}`
}

/** Port 0, any that is free, is of no use to a hub that others look for; the options allow it. */
function withPort({ ip, port }: LinkAddress): LinkAddress {
  return { ip, port: port === 0 ? 1 : port }
}
