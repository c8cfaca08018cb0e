import { isFault } from '../../shared/base/fault.ts'
import { loadRules, removeRules } from '../interception/firewall.ts'
import { callFirewall } from '../interception/firewall-program.ts'
import type { RuleOptions } from '../interception/rules.ts'
import { endTunnelledConnections } from './existing-connections.ts'
import { GUARD_TABLE } from './guard-text.ts'

/** The guard of a daemon that was killed loads the rules once more before it goes. */
const GUARD_LOOKS = 300
const LOOK_MS = 30

/** Blocks this computer without a daemon, until one comes. @throws Fault as `loadRules` */
export function block(options: RuleOptions): Promise<void> {
  return loadRules({ ...options, abandoned: true })
}

/** Takes away all that a daemon left behind which is there no more. @throws Fault as `removeRules` */
export async function unblock(): Promise<void> {
  await guardGone()
  await removeRules()
  try {
    endTunnelledConnections()
  } catch {
    // Sockets that send datagrams all the time stay without answers; everything else is open.
  }
}

async function guardGone(): Promise<void> {
  for (let look = 0; look < GUARD_LOOKS && (await guardStands()); look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

async function guardStands(): Promise<boolean> {
  try {
    return (await callFirewall('nft', ['list', 'tables'], '')).includes(` ${GUARD_TABLE}\n`)
  } catch (error) {
    if (isFault(error, 'program-missing')) return false
    throw error
  }
}
