import type { LinkAddress } from '../shared/map/link-address.ts'
import type { MapOutline } from '../shared/map/map-outline.ts'
import type { Sharing } from './sharing.ts'
import type { UnprovedHubs } from './unproved-hubs.ts'

export interface StoredDescriptor {
  readonly hubId: Uint8Array
  readonly sequence: number
  /** Seconds of network time. */
  readonly expires: number
  readonly signed: Uint8Array
}

/** When an address of a hub last proved its identity, and how often it did not since. Seconds of network time. */
export interface StoredProbe {
  readonly hubId: Uint8Array
  readonly address: LinkAddress
  readonly reachedAt: number
  readonly failures: number
  /** Since when it proves its identity, without having been away for `MAX_ABSENCE_S`. */
  readonly provenSince: number
}

/** What was measured of a hub, in the encoding of who measured it. */
export interface StoredRecord {
  readonly hubId: Uint8Array
  readonly record: Uint8Array
}

export interface StoredMap {
  readonly epoch: number
  readonly hash: Uint8Array
  readonly signed: Uint8Array
}

/** A map in the log, by its name, and what it names as the one before it. */
export interface LoggedMap {
  readonly epoch: number
  readonly hash: Uint8Array
  readonly previousHash: Uint8Array
}

/** What it takes to see what changed since a map: its outline, and the hashes of its bundles of circuit keys. */
export interface StoredOutline {
  readonly epoch: number
  readonly hash: Uint8Array
  readonly bundleHashes: Uint8Array
  readonly hubs: MapOutline
}

/** From one map to another, by their hashes. */
export interface StoredDiff {
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly bytes: Uint8Array
}

/** What is handed out beside a map, and what the log says of it. */
export interface MapCompanions {
  readonly previousHash: Uint8Array
  readonly bundles: readonly Uint8Array[]
  readonly outline: StoredOutline
  readonly diffs: readonly StoredDiff[]
}

/** Two things that a directory said of one epoch: both heads. */
export interface StoredProof {
  readonly epoch: number
  readonly kind: string
  readonly first: Uint8Array
  readonly second: Uint8Array
}

/** Seconds: longer than a descriptor that was sent before can be sent again: by then its time is too far off. */
export const FORGET_AFTER_S = 3600
/** Seconds: an address that did not prove its identity for so long begins anew. */
export const MAX_ABSENCE_S = 86_400
export const KEPT_MAPS = 48
/** Keys and diffs for which maps of this and so many epochs before have no use are forgotten: who asks for them has just seen that map. */
export const KEPT_COMPANIONS = 3

/**
 * What a directory keeps: accepted descriptors, what its probes found, and the maps that it signed. What was put is
 * safe when the promise is fulfilled.
 */
export interface Store {
  /** Descriptors of hubs that were never reached. */
  readonly unproved: UnprovedHubs
  /** Of a store that several replicas of a directory share. */
  readonly sharing?: Sharing
  /** The newest map, which every request asks for: it is in memory. */
  latestMap(): StoredMap | undefined
  descriptor(hubId: Uint8Array): Promise<StoredDescriptor | undefined>
  /** All that have not expired, in the order of their ids. */
  descriptors(now: number): Promise<StoredDescriptor[]>
  /** The number of hubs whose descriptor has not expired. */
  hubCount(now: number): Promise<number>
  /** Of descriptors, expired or not. */
  rowCount(): Promise<number>
  /** Fulfilled when all that was read is as safe as what was put. */
  settle(): Promise<void>
  /** False, and nothing is changed, if one of this hub with such a sequence or a larger one is held. */
  putDescriptor(descriptor: StoredDescriptor): Promise<boolean>
  /** Forgets hubs that expired before this time, with their probes, and those that were never reached. */
  prune(expiredBefore: number): Promise<void>
  probes(): Promise<StoredProbe[]>
  /** An address proved the hub's identity. */
  putReached(hubId: Uint8Array, address: LinkAddress, now: number): Promise<void>
  putFailed(hubId: Uint8Array, address: LinkAddress): Promise<void>
  /** What was measured of hubs. */
  records(): Promise<StoredRecord[]>
  putRecords(records: readonly StoredRecord[]): Promise<void>
  /**
   * Keeps a map with its circuit keys, and writes it into the log, from which nothing is ever taken, before anybody sees
   * it. An epoch has one map for ever: a second one is refused.
   */
  putMap(map: StoredMap, companions: MapCompanions): Promise<void>
  signedMap(hash: Uint8Array): Promise<Uint8Array | undefined>
  mapDiff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined>
  /** Circuit keys by their hash, of the newest maps. */
  keyBundle(hash: Uint8Array): Promise<Uint8Array | undefined>
  outline(hash: Uint8Array): Promise<StoredOutline | undefined>
  /** Of the maps of these epochs, both ends included. */
  outlines(first: number, last: number): Promise<StoredOutline[]>
  /** In the order of epochs. */
  log(): Promise<LoggedMap[]>
  /** Keeps for ever that a directory signed two things. */
  putProof(proof: StoredProof): Promise<void>
  proofs(): Promise<StoredProof[]>
  /** Writes a little where all is kept. @throws if it can not */
  check(): Promise<void>
  close(): Promise<void>
}
