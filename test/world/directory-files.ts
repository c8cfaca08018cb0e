import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FIRST_KBITS } from '../../directory/measure/assess.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { verifyDescriptor } from '../../shared/map/descriptor.ts'
import { provedFamily } from '../../shared/map/family.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import { UNMEASURED } from '../../shared/map/measured.ts'
import type { Network } from '../../shared/map/network.ts'
import type { City } from './cities.ts'

/** That a directory said two things: both heads. */
export interface StoredProof {
  readonly epoch: number
  readonly kind: string
  readonly first: Uint8Array
  readonly second: Uint8Array
}

/** The newest signed map that a directory has. */
export function newestMap(stateDir: string): Uint8Array | undefined {
  const [row] = rows(stateDir, 'select signed from maps order by epoch desc limit 1')
  return row && new Uint8Array(row.signed as Uint8Array)
}

/** What a directory keeps of others that said two things. */
export function storedProofs(stateDir: string): StoredProof[] {
  return rows(stateDir, 'select epoch, kind, first, second from proofs') as unknown as StoredProof[]
}

/**
 * Hubs as they say of themselves, each signed by the hub, and where they really are by name of their operator; with the
 * weight of hubs that nobody measured.
 */
export function declaredHubs(stateDir: string, network: Network, cityOf: (operator: string) => City): KeyedHub[] {
  const hubs = rows(stateDir, 'select signed from descriptors').map(({ signed }): KeyedHub => {
    const { hubId, circuitKey, ...said } = verifyDescriptor(new Uint8Array(signed as Uint8Array), network.id)
    const { linkAddresses, noiseAddresses, roles, exitPolicy, operator, family, version, capacityKbits } = said
    return {
      ...{ id: hubId, key: toHex(hubId), circuitKey: new CircuitPublicKey(circuitKey), linkAddresses, noiseAddresses },
      ...{ roles, exitPolicy, operator, version, location: cityOf(operator), flags: 0 },
      ...{ capacityKbits: Math.min(capacityKbits, FIRST_KBITS), measured: UNMEASURED },
      family: provedFamily(family, hubId, network.id) ?? '',
    }
  })
  return sortHubs(hubs)
}

function rows(stateDir: string, query: string): Record<string, unknown>[] {
  const database = new DatabaseSync(join(stateDir, 'directory.sqlite'), { readOnly: true })
  try {
    return database.prepare(query).all()
  } finally {
    database.close()
  }
}
