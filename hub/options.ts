import { z } from 'zod'
import { LOG_LEVELS } from '../shared/base/log.ts'
import { endpointSchema } from '../shared/base/options.ts'
import { isText } from '../shared/base/text.ts'
import { isCityName, MAX_CITY_BYTES } from '../shared/geo/city-name.ts'
import { isPlace } from '../shared/geo/place.ts'
import { MAX_LINK_ADDRESSES, MAX_TEXT_BYTES } from '../shared/map/descriptor.ts'
import { DEFAULT_EXIT_POLICY, MAX_EXIT_RULES } from '../shared/map/exit-policy.ts'
import { exitRuleSchema } from '../shared/map/exit-policy-text.ts'
import { LINK_TRANSPORTS } from '../shared/map/link-address.ts'

/** What the descriptor can carry: else directories would refuse the hub for it. */
const text = z
  .string()
  .refine(
    (value) => isText(value, MAX_TEXT_BYTES),
    `expected at most ${MAX_TEXT_BYTES} bytes without control characters`,
  )
  .default('')
const count = (most: number) => z.int().min(1).max(most)

const place = z
  .strictObject({
    latitude: z.number(),
    longitude: z.number(),
    country: z.string().default(''),
    city: z
      .string()
      .refine(isCityName, `expected at most ${MAX_CITY_BYTES} bytes without control characters`)
      .default(''),
  })
  .refine(isPlace, 'expected latitude -90 to 90, longitude -180 to 180, and a country of two capital letters')

/** Limits of one hub. What each is for, with its unit; all have defaults. */
const limits = z.strictObject({
  /** Links at once, from clients and hubs together. */
  links: count(65_536).default(4096),
  /** Links at once from one IPv4 address, or one /64 of IPv6; addresses of hubs of the map are not limited. */
  linksPerAddress: count(65_536).default(64),
  /** Circuits at once in all. */
  circuits: count(1_000_000).default(20_000),
  /** Circuits at once that one peer may have opened on one link. */
  circuitsPerLink: count(1_000_000).default(8192),
  /** Mebibytes held for circuits at once; beyond it circuits end, those first that hold most for longest. */
  heldMib: count(65_536).default(256),
  /** New circuits a second that one client link may bring, before any key exchange is done for them; and at once. */
  clientCreatesPerSecond: count(1_000_000).default(100),
  clientCreateBurst: count(1_000_000).default(400),
  /** The same for a link of another hub, which carries many clients. */
  hubCreatesPerSecond: count(1_000_000).default(2000),
  hubCreateBurst: count(1_000_000).default(8000),
  /** Connections to the internet at once. */
  exitConnections: count(65_000).default(8192),
  /** New connections to the internet a second that come by one neighbour; and at once. */
  exitConnectsPerSecond: count(100_000).default(500),
  exitConnectBurst: count(100_000).default(2000),
  /** UDP sockets of apps and pings at once; and of those that came by one neighbour. Their rate is that of connections. */
  exitAssociations: count(65_000).default(4096),
  exitAssociationsPerNeighbour: count(65_000).default(1024),
  /** Queries at once that name servers have not answered, of all circuits for the DNS together. */
  exitDnsQueries: count(65_000).default(1024),
  /** KiB a second of maps and circuit keys for those who ask this hub for them, all together. */
  mirrorKibPerSecond: count(1_000_000).default(4096),
})

/** The configuration file of a hub. */
export const hubOptionsSchema = z.strictObject({
  /** File with the id, directories and keys of the network to join. */
  networkFile: z.string().min(1),
  /** Folder for the identity, circuit keys and the last map. Made if it is not there; readable by the hub alone. */
  stateDir: z.string().min(1),
  /** Where links are accepted. */
  listen: z.array(endpointSchema).min(1).max(MAX_LINK_ADDRESSES),
  /** What others dial, where that differs from `listen` (behind address translation). */
  announce: z.array(endpointSchema).min(1).max(MAX_LINK_ADDRESSES).optional(),
  /** Where links over libp2p's TCP and noise are accepted, and standard libp2p programs. */
  listenNoise: z.array(endpointSchema).max(MAX_LINK_ADDRESSES).default([]),
  /** What others dial, where that differs from `listenNoise`. */
  announceNoise: z.array(endpointSchema).max(MAX_LINK_ADDRESSES).optional(),
  /**
   * What the links that this hub dials run over. Noise is slower, and its key exchange is not safe from quantum
   * computers; hubs without a noise address are not reached over it. There is no falling back from one to the other.
   */
  transport: z.enum(LINK_TRANSPORTS).default('tls'),
  /** What the hub does. An exit reaches out to the internet for others: it is off unless switched on. */
  roles: z
    .strictObject({
      home: z.boolean().default(true),
      relay: z.boolean().default(true),
      exit4: z.boolean().default(false),
      exit6: z.boolean().default(false),
    })
    .prefault({}),
  /** First rule that fits decides, no rule means no. Private and other special addresses are refused in any case. */
  exitPolicy: z
    .array(exitRuleSchema)
    .max(MAX_EXIT_RULES)
    .default([...DEFAULT_EXIT_POLICY]),
  dns: z
    .strictObject({
      /**
       * Recursive resolvers that an exit asks, in turn; those of this computer if nothing is said. Best is one of the
       * hub's own: one that others use too sees what the circuits ask, and whoever measures its answers, what is cached.
       */
      servers: z.array(endpointSchema).min(1).max(8).optional(),
    })
    .prefault({}),
  /** Who runs the hub; hubs of one operator or family are never used together on a path. */
  operator: text,
  /** The proof of the family, as `spn-directory sign` gives it to the hub; hubs of one family prove the same. */
  family: text,
  contact: text,
  /** What the line gives, megabits per second. */
  capacityMbit: z.number().positive().max(4_000_000).default(100),
  /** Where the hub stands, if it wants to say. */
  place: place.optional(),
  limits: limits.prefault({}),
  /** So often it is looked whether there is something new to say of links to other hubs and of load. Seconds. */
  statusSeconds: z.int().min(5).max(86_400).default(600),
  /** After SIGTERM the circuits that are there get so long to end. */
  drainSeconds: z.number().min(0).max(86_400).default(30),
  logLevel: z.enum(LOG_LEVELS).default('info'),
})

export type HubOptions = z.output<typeof hubOptionsSchema>
export type HubConfig = z.input<typeof hubOptionsSchema>
