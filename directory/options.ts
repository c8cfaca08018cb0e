import { z } from 'zod'
import { LOG_LEVELS } from '../shared/base/log.ts'
import { endpointSchema, rangeSchema } from '../shared/base/options.ts'
import { VERSION_FLOOR } from './admission/version-floor.ts'
import { redisSchema } from './redis/redis-options.ts'

const hubsOfAKind = z.int().min(1).max(20_000)

/** The configuration file of a directory. */
export const directoryOptionsSchema = z.strictObject({
  /** File with the id, directories and keys of the network; this directory's key must be one of them. */
  networkFile: z.string().min(1),
  /** Folder for the key and the database. */
  stateDir: z.string().min(1),
  /** Where HTTP is answered. Put a TLS-terminating web server or a CDN in front where it should be HTTPS. */
  listen: endpointSchema,
  /**
   * Ranges of the web servers in front. What they say in `x-forwarded-for` counts as the sender; without this all
   * senders behind one would share one rate.
   */
  trustedProxies: z.array(rangeSchema).max(64).default([]),
  /**
   * Redis that several replicas of this directory share, in the place of a file. Each replica has a `stateDir` of its own,
   * all with the same key.
   */
  redis: redisSchema.optional(),
  /** Length of an epoch: so often there is a new map. Seconds. */
  epochSeconds: z.int().min(1).max(86_400).default(3600),
  /** How many epochs a map may be used. */
  mapLifeEpochs: z.int().min(2).max(10_000).default(3),
  /** A hub is reached out to so often to see that it is there. Seconds. */
  probeSeconds: z.int().min(1).max(86_400).default(600),
  /** Where this directory is. With it places of hubs are checked against the time that their answers take. */
  place: z.strictObject({ latitude: z.number().min(-90).max(90), longitude: z.number().min(-180).max(180) }).optional(),
  /**
   * Measures what hubs carry, by transfers through circuits; without this the directory says nothing of it. A transfer goes from
   * a server of this directory through two or three hubs back to it.
   */
  measure: z
    .strictObject({
      /** Where that server listens: best on the port 443 of an address that is known for nothing else. */
      listen: z.array(endpointSchema).min(1).max(8),
      /** What exits connect to, where that differs from `listen`. */
      announce: z.array(endpointSchema).min(1).max(8).optional(),
      /** So often each hub is measured, about. Seconds. */
      periodSeconds: z.int().min(1).max(604_800).default(21_600),
      /** Of one transfer at most. Mebibytes. */
      transferMib: z.int().min(1).max(1024).default(32),
      /** Of all transfers of an hour. Mebibytes. */
      hourlyMib: z.int().min(1).max(1_048_576).default(8192),
    })
    .optional(),
  /** Ranges that this network counts as public although they are not. Only for test networks. */
  addressScope: z.array(rangeSchema).max(64).default([]),
  geo: z
    .strictObject({
      /** File of places that win over the databases. */
      overridesFile: z.string().min(1).optional(),
      /** Do without the databases: only overrides and what hubs declare. */
      overridesOnly: z.boolean().default(false),
      /** MaxMind file of AS numbers (GeoLite2-ASN or the like), in place of those that came with the programs. */
      asnFile: z.string().min(1).optional(),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Hubs in all. */
      hubs: z.int().min(1).max(20_000).default(20_000),
      /** Hubs that were not reached yet, from one IPv4 /24 or IPv6 /48 of senders. */
      newHubsPerBlock: z.int().min(1).max(1000).default(8),
      /** Descriptors a minute from one hub. */
      descriptorsPerMinutePerHub: z.int().min(1).max(6_000).default(6),
      /** Descriptors a minute from one sender's address. */
      descriptorsPerMinutePerSender: z.int().min(1).max(60_000).default(60),
      /** Requests of any kind a minute from one sender's address. */
      requestsPerMinutePerSender: z.int().min(1).max(6_000_000).default(1_200),
      /** Hubs of a map with addresses in one block. Directories of a network must be set alike, for these and the next. */
      hubsPerIpv4Slash24: hubsOfAKind.default(4),
      hubsPerIpv4Slash16: hubsOfAKind.default(64),
      hubsPerIpv6Slash48: hubsOfAKind.default(4),
      hubsPerIpv6Slash32: hubsOfAKind.default(64),
      /** Hubs of a map that prove to be of one family. */
      hubsPerFamily: hubsOfAKind.default(256),
      /** Hubs of a map that name one operator. */
      hubsPerOperator: hubsOfAKind.default(256),
    })
    .prefault({}),
  /** Hubs whose program is older than this version, as they say, are in no map. */
  minimumVersion: z.string().regex(VERSION_FLOOR, 'expected a version, like 1.2.3').optional(),
  /** Whom the operator of this directory bans, discourages or trusts; `spn-directory ban` and the like change the file. */
  lists: z
    .strictObject({
      file: z.string().min(1),
      /** Public key of the operator, which `spn-directory keys` shows. */
      operatorKey: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits'),
    })
    .optional(),
  /** Where metrics for Prometheus are answered, to everybody who can reach it; nowhere if nothing is said. */
  metricsListen: endpointSchema.optional(),
  logLevel: z.enum(LOG_LEVELS).default('info'),
})

export type DirectoryOptions = z.output<typeof directoryOptionsSchema>
export type DirectoryConfig = z.input<typeof directoryOptionsSchema>
