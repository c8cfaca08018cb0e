import { formatIp, parseIp } from '../../shared/base/ip-address.ts'
import type { Connector } from '../connector.ts'
import { siteOf } from '../navigator/site.ts'

export const IDENTITY_USAGE =
  'spn identity [--app KEY] [--site NAME]  new exits from now on: for an app (as connections show its key), a site, or all'

/** The daemon's part. */
export function newIdentity(
  { app, site }: Readonly<Record<string, unknown>>,
  connector: Pick<Connector, 'newIdentity'>,
): object {
  const scope = {
    ...(typeof app === 'string' ? { app } : {}),
    ...(typeof site === 'string' ? { site: siteText(site) } : {}),
  }
  connector.newIdentity(scope)
  return scope
}

/** As exits are kept for it: an address is a site of its own. */
function siteText(site: string): string {
  const address = parseIp(site)
  return address === undefined ? siteOf(site) : formatIp(address)
}
