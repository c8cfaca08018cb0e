import { z } from 'zod'
import { parseHex, toHex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { formatEndpoint, parseIp } from '../base/ip-address.ts'
import { endpointSchema } from '../base/options.ts'
import { DirectoryPublicKey } from '../crypto/directory-key.ts'
import { MAX_LINK_ADDRESSES } from './descriptor.ts'
import type { HubAddresses, LinkAddress } from './link-address.ts'

/** A directory of a network: the key by which it is known, and where it answers. */
export interface NetworkDirectory {
  readonly name: string
  readonly key: DirectoryPublicKey
  /** Base of its HTTP interface, without a slash at the end. */
  readonly url: string
}

/** A hub that may be asked for the map by who has none, and where it takes links. */
export interface BootstrapHub extends HubAddresses {
  readonly id: Uint8Array
}

/** What a program has to know beforehand to join a network (SPEC section 11.5). */
export interface Network {
  readonly name: string
  /** 32 bytes, chosen at random when the network was founded. Part of every signature and handshake. */
  readonly id: Uint8Array
  readonly directories: readonly NetworkDirectory[]
  /** So many directories must have signed a map. */
  readonly threshold: number
  /** Hubs that have the map too, for clients that reach no directory. */
  readonly hubs?: readonly BootstrapHub[]
  /** Only then may a map declare extra addresses as public. */
  readonly testNetwork: boolean
}

const hex32 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits')

/** What the network file says of one directory. */
export const networkDirectorySchema = z.strictObject({
  name: z.string().min(1).max(64),
  key: hex32,
  url: z.url({ protocol: /^https?$/, error: 'expected a URL that starts with http:// or https://' }),
})

const MAX_BOOTSTRAP_HUBS = 64
const addresses = z.array(endpointSchema.refine(({ port }) => port > 0, 'expected a port')).max(MAX_LINK_ADDRESSES)

/** What the network file says of one hub. */
const bootstrapHubSchema = z
  .strictObject({ id: hex32, addresses: addresses.default([]), noiseAddresses: addresses.default([]) })
  .refine((hub) => hub.addresses.length + hub.noiseAddresses.length > 0, {
    path: ['addresses'],
    error: 'expected an address',
  })

/** The network file as JSON. */
export const networkSchema = z
  .strictObject({
    name: z.string().min(1).max(64),
    id: hex32,
    directories: z.array(networkDirectorySchema).min(1).max(32),
    threshold: z.int().min(1),
    hubs: z.array(bootstrapHubSchema).max(MAX_BOOTSTRAP_HUBS).default([]),
    testNetwork: z.boolean().default(false),
  })
  .refine(({ threshold, directories }) => threshold <= directories.length, {
    path: ['threshold'],
    error: 'expected at most the number of directories',
  })
  .refine(({ directories }) => new Set(directories.map(({ key }) => key)).size === directories.length, {
    path: ['directories'],
    error: 'expected a different key for each directory',
  })
  .refine(({ hubs }) => new Set(hubs.map(({ id }) => id)).size === hubs.length, {
    path: ['hubs'],
    error: 'expected each hub once',
  })

export type NetworkFile = z.input<typeof networkSchema>

export function networkOf(file: z.output<typeof networkSchema>): Network {
  return {
    name: file.name,
    id: bytesOf(file.id),
    directories: file.directories.map(({ name, key, url }) => ({
      name,
      key: new DirectoryPublicKey(bytesOf(key)),
      url: url.replace(/\/+$/, ''),
    })),
    threshold: file.threshold,
    hubs: file.hubs.map((hub) => ({
      id: bytesOf(hub.id),
      linkAddresses: hub.addresses,
      noiseAddresses: hub.noiseAddresses,
    })),
    testNetwork: file.testNetwork,
  }
}

export function networkFileOf(network: Network): NetworkFile {
  return {
    name: network.name,
    id: toHex(network.id),
    directories: network.directories.map(({ name, key, url }) => ({ name, key: toHex(key.bytes), url })),
    threshold: network.threshold,
    ...(network.hubs === undefined || network.hubs.length === 0 ? {} : { hubs: network.hubs.map(bootstrapHubFile) }),
    testNetwork: network.testNetwork,
  }
}

function bootstrapHubFile({ id, linkAddresses, noiseAddresses }: BootstrapHub): z.input<typeof bootstrapHubSchema> {
  const texts = (all: readonly LinkAddress[]): string[] => all.map(({ ip, port }) => formatEndpoint(ip, port))
  return { id: toHex(id), addresses: texts(linkAddresses), noiseAddresses: texts(noiseAddresses) }
}

/**
 * Names of the directories whose URL holds a host name, not an address. Only a resolver can say where they are, and with
 * interception the resolver of the system may be cut off.
 */
export function directoriesByHostName({
  directories,
}: {
  readonly directories: readonly Pick<NetworkDirectory, 'name' | 'url'>[]
}): string[] {
  return directories.filter(({ url }) => parseIp(new URL(url).hostname) === undefined).map(({ name }) => name)
}

function bytesOf(hex: string): Uint8Array {
  const bytes = parseHex(hex)
  if (bytes === undefined) throw new Fault('internal')
  return bytes
}
