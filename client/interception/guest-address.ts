import { Fault } from '../../shared/base/fault.ts'
import type { IpFamily } from '../../shared/base/ip-address.ts'
import { callFirewall } from './firewall-program.ts'

/**
 * Where flows of guests are led to: of containers, virtual machines, whoever this computer forwards for. Not loopback,
 * which the kernel refuses for what came in from outside (or, told otherwise, opens all of loopback to guests). Addresses
 * that are no host's: the dummy address of RFC 7600, and one of the discard prefix of RFC 6666. A route makes them local;
 * no interface has them, so no program sees or uses them.
 */
export const GUEST_ADDRESSES: Readonly<Record<IpFamily, string>> = { 4: '192.0.0.8', 6: '100::8' }

/**
 * Makes the addresses local.
 *
 * @throws Fault program-missing, capability-missing, firewall-failed
 */
export async function addGuestRoutes(): Promise<void> {
  await call(4, 'replace')
  // A computer without IPv6 has no guests that use it.
  await call(6, 'replace').catch((error: unknown) => {
    if (!(error instanceof Fault) || error.code !== 'firewall-failed') throw error
  })
}

export async function removeGuestRoutes(): Promise<void> {
  for (const family of [4, 6] as const) await call(family, 'delete').catch(() => undefined)
}

function call(family: IpFamily, what: 'replace' | 'delete'): Promise<string> {
  return callFirewall('ip', [`-${family}`, 'route', what, 'local', GUEST_ADDRESSES[family], 'dev', 'lo'], '')
}
