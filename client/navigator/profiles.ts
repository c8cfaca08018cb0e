import type { StreamPurpose } from '../../shared/cell/purpose.ts'

/** What users choose among: the hubs on a path, from home to exit. */
export const PROFILES = { plain: 1, fast: 2, balanced: 3, private: 4 } as const

export type Profile = keyof typeof PROFILES
export const PROFILE_NAMES = Object.keys(PROFILES) as [Profile, ...Profile[]]

/** Ports of protocols that protect what they carry: SSH, TLS and QUIC. */
const ENCRYPTED_PORTS: ReadonlySet<number> = new Set([
  ...[22, 443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 5061, 5223, 5349, 8443],
])

/** As far as it can be told from the port: does nothing but this network protect what is sent? Questions for names are read by the exit. */
export function isUnencrypted(target: StreamPurpose): boolean {
  return target.kind === 'dns' || !ENCRYPTED_PORTS.has(target.port)
}

/** What may ask for more hubs than the profile has. */
export interface PathNeeds {
  /** The home hub may be the exit: its policy, the family of the address and the rule allow it. */
  readonly homeMayExit: boolean
  /** Nothing protects what is sent but this network. */
  readonly isUnencrypted: boolean
  /** The map marks the home hub as trusted. */
  readonly homeIsTrusted: boolean
  /** Home and exit are in one autonomous system or country, because there was no alternative. */
  readonly endsAreNear: boolean
}

/**
 * Hubs on the path of a profile. One more where privacy needs it: a home that can not be the exit, or may not read what
 * it carries; and ends that one observer could watch.
 */
export function hopsOf(profile: Profile, needs: PathNeeds): number {
  const { homeMayExit, isUnencrypted, homeIsTrusted, endsAreNear } = needs
  if (profile === 'plain') return homeMayExit && (!isUnencrypted || homeIsTrusted) ? 1 : 2
  return profile === 'fast' && endsAreNear ? 3 : PROFILES[profile]
}
