import { z } from 'zod'
import { concatBytes, parseHex, toHex, utf8 } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { type DirectoryKey, DirectoryPublicKey } from '../shared/crypto/directory-key.ts'
import type { FamilyKey } from '../shared/crypto/family-key.ts'
import { familyProof } from '../shared/map/family.ts'
import { type Network, type NetworkFile, networkDirectorySchema } from '../shared/map/network.ts'

const hex = (digits: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`), `expected ${digits} lower-case hexadecimal digits`)

/** What somebody new sends to those who are there, as a file. It holds nothing secret. */
export const signRequestSchema = z.discriminatedUnion('kind', [
  /** To the holder of a family's key: this hub wants to belong to it. */
  z.strictObject({ kind: z.literal('hub'), network: hex(64), hub: hex(64) }),
  /** To the operators of the other directories: this one wants to be among them, and has its key. */
  z.strictObject({
    kind: z.literal('directory'),
    network: hex(64),
    directory: networkDirectorySchema,
    signature: hex(128),
  }),
])
export type SignRequest = z.output<typeof signRequestSchema>

/** @throws Fault options-invalid */
export function hubRequest(network: Network, hub: string): SignRequest {
  const found = hex(64).safeParse(hub)
  if (found.success) return { kind: 'hub', network: toHex(network.id), hub }
  throw new Fault('options-invalid', {
    mistakes: '--hub: expected the id of the hub, 64 lower-case hexadecimal digits, which it logs at its start',
  })
}

/** @throws Fault options-invalid */
export function directoryRequest(network: Network, key: DirectoryKey, name: string, url: string): SignRequest {
  const directory = networkDirectorySchema.safeParse({ name, key: toHex(key.publicBytes), url })
  if (!directory.success) {
    throw new Fault('options-invalid', {
      mistakes:
        '--url, --name: expected a URL that starts with http:// or https://, and a name of at most 64 characters',
    })
  }
  const signature = toHex(key.sign('spn/1 join', network.id, joinMessage(directory.data)))
  return { kind: 'directory', network: toHex(network.id), directory: directory.data, signature }
}

/**
 * What stands in the configuration of the hub as its `family`.
 * @throws Fault options-invalid for a request that is for another network
 */
export function signHubRequest(request: SignRequest & { kind: 'hub' }, network: Network, key: FamilyKey): string {
  checkNetwork(request, network)
  return familyProof(key, parseHex(request.hub) as Uint8Array, network.id)
}

/**
 * What the network file says of the new directory, once it has proved that it has its key.
 * @throws Fault options-invalid for a request that is for another network, signature-invalid
 */
export function checkDirectoryRequest(
  request: SignRequest & { kind: 'directory' },
  network: Network,
): NetworkFile['directories'][number] {
  checkNetwork(request, network)
  const { directory, signature } = request
  const key = new DirectoryPublicKey(parseHex(directory.key) as Uint8Array)
  if (!key.verify('spn/1 join', network.id, joinMessage(directory), parseHex(signature) as Uint8Array)) {
    throw new Fault('signature-invalid', {
      repair: 'ask for a new request: this one was changed, or made without the key',
    })
  }
  return directory
}

function joinMessage({ name, url }: { readonly name: string; readonly url: string }): Uint8Array {
  return concatBytes(utf8(name), Uint8Array.of(0), utf8(url))
}

function checkNetwork({ network: wanted }: SignRequest, network: Network): void {
  if (wanted === toHex(network.id)) return
  throw new Fault('options-invalid', {
    mistakes: `the request is for the network ${wanted}, and --network-file is of ${toHex(network.id)}: take the same file as who made it`,
  })
}
