import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientConfig } from '../../client/options.ts'
import type { DirectoryConfig } from '../../directory/options.ts'
import type { HubConfig } from '../../hub/options.ts'
import type { Place } from '../../shared/geo/place.ts'

/** Writes an object as a JSON file in a folder that is made; the file's path. */
export function writeJson(folder: string, name: string, value: unknown): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, name)
  writeFileSync(file, JSON.stringify(value, undefined, 2))
  return file
}

/** A line of the file of places that directory and clients share. */
export interface OverrideLine {
  readonly range: string
  readonly latitude: number
  readonly longitude: number
  readonly country: string
  readonly city: string
  readonly asn: number
}

export function overrideLine(range: string, place: Place, asn: number): OverrideLine {
  return { range, ...place, asn }
}

/** Settings of a directory that publishes quickly, for networks that live for minutes. */
export const QUICK_DIRECTORY = {
  epochSeconds: 2,
  mapLifeEpochs: 1800,
  probeSeconds: 30,
  limits: {
    // All hubs of a network on loopback, or in the ranges for tests, have one sender and stand in one block.
    ...{ newHubsPerBlock: 1000, requestsPerMinutePerSender: 1_000_000 },
    ...{ hubsPerIpv4Slash24: 1000, hubsPerIpv4Slash16: 1000, hubsPerIpv6Slash48: 1000, hubsPerIpv6Slash32: 1000 },
  },
} satisfies Partial<DirectoryConfig>

/** Rates and numbers of a hub that one client may load as it can. */
export const UNLIMITED_HUB: HubConfig['limits'] = {
  linksPerAddress: 65_536,
  circuits: 1_000_000,
  circuitsPerLink: 1_000_000,
  exitConnections: 65_000,
  clientCreatesPerSecond: 1_000_000,
  clientCreateBurst: 1_000_000,
  hubCreatesPerSecond: 1_000_000,
  hubCreateBurst: 1_000_000,
  exitConnectsPerSecond: 100_000,
  exitConnectBurst: 100_000,
  exitAssociations: 65_000,
  exitAssociationsPerNeighbour: 65_000,
}

export type { ClientConfig, DirectoryConfig, HubConfig }
