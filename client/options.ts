import { z } from 'zod'
import { LOG_LEVELS } from '../shared/base/log.ts'
import { endpointSchema, rangeSchema } from '../shared/base/options.ts'
import { MAX_HOPS } from '../shared/cell/cell.ts'
import { LINK_TRANSPORTS } from '../shared/map/link-address.ts'
import { dnsOptionsSchema } from './dns/dns-options.ts'
import { PROFILE_NAMES } from './navigator/profiles.ts'

const port = z.int().min(1).max(65_535)

/** How the daemon's own traffic is told from everybody else's. Exactly one of the two. */
const own = z.union([
  z.strictObject({ gid: z.int().min(1).max(0xffff_fffe) }),
  z.strictObject({ cgroup: z.string().min(1).max(255) }),
])

/** The configuration file of the client. */
export const clientOptionsSchema = z.strictObject({
  /** File with the id, directories and keys of the network to join. */
  networkFile: z.string().min(1),
  /** Folder for the last map, the home hubs and the control socket. Made if it is not there. */
  stateDir: z.string().min(1),
  /** Where programs of this computer find a SOCKS 5 proxy; null for none. */
  socks: endpointSchema.nullable().default({ ip: Uint8Array.of(127, 0, 0, 1), port: 1080 }),
  /** Where they find an HTTP proxy, which only does CONNECT; null for none. */
  httpProxy: endpointSchema.nullable().default(null),
  /** Interception of every connection of this computer; null for none. Needs root or CAP_NET_ADMIN. */
  intercept: z
    .strictObject({
      /** Number of the packet queue. */
      queue: z.int().min(0).max(65_535).default(17),
      /** Port on loopback to which tunnelled connections are redirected. */
      port: port.default(7170),
      /** What is the daemon's own: it is started with this group (or in this cgroup), nobody else is in it. */
      own: own.default({ gid: 7117 }),
      /** Networks that stay direct: a printer, the local network. */
      direct: z.array(rangeSchema).max(256).default([]),
    })
    .nullable()
    .default(null),
  /**
   * The rules: what goes through the network, past it or nowhere (deploy/examples/rules.yaml). Null: everything goes
   * through it. Networks of `intercept.direct` stay direct whatever the rules say.
   */
  rulesFile: z.string().min(1).nullable().default(null),
  /**
   * What the link to the home hub runs over. Noise is slower, its key exchange is not safe from quantum computers, and
   * it looks like nothing but libp2p; only homes with a noise address are used then. There is no falling back.
   */
  transport: z.enum(LINK_TRANSPORTS).default('tls'),
  /** Hubs on the path of a connection. More cost time, fewer cost privacy. */
  hops: z.int().min(1).max(MAX_HOPS).default(3),
  /**
   * Says how many hubs there are, in place of `hops`: plain, the home hub alone, but two where it may not be the exit or could
   * read what it carries; fast, two, but three where they are near each other; balanced, three; private, four, with
   * `privateTargets`.
   */
  profile: z.enum(PROFILE_NAMES).nullable().default(null),
  /** Exits are hubs that the map marks as trusted; what no such exit serves is refused. A rule may say otherwise. */
  trusted: z.boolean().default(false),
  /** Of all profiles: the exit learns the destination only after the path is built; costs one round trip. */
  privateTargets: z.boolean().default(false),
  /** The resolver: names are asked for through circuits, never in the clear. */
  dns: dnsOptionsSchema.prefault({}),
  geo: z
    .strictObject({
      /** The compact table of places; default: the one that the set-up makes. */
      tableFile: z.string().min(1).optional(),
      /** File of places that win over the table. */
      overridesFile: z.string().min(1).optional(),
      /** Do without the table. */
      overridesOnly: z.boolean().default(false),
    })
    .prefault({}),
  logLevel: z.enum(LOG_LEVELS).default('info'),
})

export type ClientOptions = z.output<typeof clientOptionsSchema>
export type ClientConfig = z.input<typeof clientOptionsSchema>
