import type { IpAddress } from '../base/ip-address.ts'
import type { Overrides } from './overrides.ts'
import type { Location } from './place.ts'

/** Says where addresses are. */
export interface Locator {
  /** Undefined if it is not known. */
  locate(address: IpAddress): Location | undefined
}

/** Knows no address: what stands behind overrides where there is no table. */
export const NOWHERE: Locator = { locate: () => undefined }

/** What the overrides say; for addresses that they do not name, what `fallback` says. */
export function overriddenLocator(overrides: Overrides, fallback: Locator): Locator {
  return { locate: (address) => overrides.lookup(address) ?? fallback.locate(address) }
}
