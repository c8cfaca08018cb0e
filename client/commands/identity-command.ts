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
    ...(typeof site === 'string' ? { site: siteOf(site) } : {}),
  }
  connector.newIdentity(scope)
  return scope
}
