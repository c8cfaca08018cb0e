import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Fault } from '../shared/base/fault.ts'
import { makeStateFolder } from '../shared/base/state-file.ts'
import { sha256 } from '../shared/crypto/kdf.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import type { MapOutline } from './map-outline.ts'

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

const SCHEMA = `
  create table if not exists descriptors (
    hub_id blob primary key, sequence integer not null, expires integer not null, signed blob not null
  ) strict;
  create table if not exists probes (
    hub_id blob not null, ip blob not null, port integer not null, reached_at integer not null, failures integer not null,
    primary key (hub_id, ip, port)
  ) strict;
  create table if not exists records (hub_id blob primary key, record blob not null) strict;
  create table if not exists maps (epoch integer primary key, hash blob not null, signed blob not null) strict;
  create table if not exists bundles (hash blob primary key, epoch integer not null, keys blob not null) strict;
  create table if not exists outlines (
    epoch integer primary key, hash blob not null, bundles blob not null, hubs blob not null
  ) strict;
  create table if not exists diffs (
    from_hash blob not null, to_hash blob not null, epoch integer not null, diff blob not null, primary key (from_hash, to_hash)
  ) strict;
  create table if not exists log (epoch integer primary key, hash blob not null, previous blob not null) strict;
  create trigger if not exists log_stays before delete on log begin select raise(abort, 'the log only grows'); end;
  create trigger if not exists log_holds before update on log begin select raise(abort, 'the log only grows'); end;
  create table if not exists proofs (
    epoch integer not null, kind text not null, first blob not null, second blob not null, unique (kind, first)
  ) strict;
`

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

/** What is handed out beside a map. */
export interface MapCompanions {
  readonly bundles: readonly Uint8Array[]
  readonly outline: StoredOutline
  readonly diffs: readonly StoredDiff[]
}

const KEPT_MAPS = 48
/** Keys and diffs for which maps of this and so many epochs before have no use are forgotten: who asks for them has just seen that map. */
const KEPT_COMPANIONS = 3

/** What a directory keeps: accepted descriptors, what its probes found, and the maps that it signed. */
export class Store {
  readonly #database: DatabaseSync
  /** The newest map, which every request asks for, is kept in memory. */
  #latestMap: StoredMap | undefined

  /** @throws Fault state-corrupt if the file is no database of ours; state-unwritable */
  constructor(file: string) {
    if (file !== ':memory:') makeStateFolder(dirname(file))
    try {
      this.#database = new DatabaseSync(file)
      this.#database.exec('pragma journal_mode = wal; pragma synchronous = full;')
      this.#database.exec(SCHEMA)
      this.#latestMap = this.#loadLatestMap()
    } catch (cause) {
      throw openFault(file, cause)
    }
  }

  close(): void {
    this.#database.close()
  }

  descriptor(hubId: Uint8Array): StoredDescriptor | undefined {
    return this.#all('select * from descriptors where hub_id = ?', hubId).map(descriptorOf)[0]
  }

  /** All that have not expired, in the order of their ids. */
  descriptors(now: number): StoredDescriptor[] {
    return this.#all('select * from descriptors where expires > ? order by hub_id', now).map(descriptorOf)
  }

  /** The number of hubs whose descriptor has not expired. */
  hubCount(now: number): number {
    return Number(this.#all('select count(*) as n from descriptors where expires > ?', now)[0]?.n)
  }

  /** Rows of descriptors, expired or not. */
  get rowCount(): number {
    return Number(this.#all('select count(*) as n from descriptors')[0]?.n)
  }

  putDescriptor({ hubId, sequence, expires, signed }: StoredDescriptor): void {
    this.#run('insert or replace into descriptors values (?, ?, ?, ?)', hubId, sequence, expires, signed)
  }

  probes(): StoredProbe[] {
    return this.#all('select * from probes').map((row) => ({
      hubId: bytesOf(row.hub_id),
      address: { ip: bytesOf(row.ip), port: Number(row.port) },
      reachedAt: Number(row.reached_at),
      failures: Number(row.failures),
    }))
  }

  /** An address proved the hub's identity. */
  putReached(hubId: Uint8Array, { ip, port }: LinkAddress, now: number): void {
    this.#run('insert or replace into probes values (?, ?, ?, ?, 0)', hubId, ip, port, now)
  }

  putFailed(hubId: Uint8Array, { ip, port }: LinkAddress): void {
    const sql = 'update probes set failures = failures + 1 where hub_id = ? and ip = ? and port = ?'
    this.#run(sql, hubId, ip, port)
  }

  /** What was measured of hubs. */
  records(): StoredRecord[] {
    return this.#all('select * from records').map((row) => ({
      hubId: bytesOf(row.hub_id),
      record: bytesOf(row.record),
    }))
  }

  putRecords(records: readonly StoredRecord[]): void {
    this.#atOnce(() => {
      for (const { hubId, record } of records) {
        this.#run('insert or replace into records values (?, ?)', hubId, record)
      }
    })
  }

  latestMap(): StoredMap | undefined {
    return this.#latestMap
  }

  /** Circuit keys by their hash, of the newest maps. */
  keyBundle(hash: Uint8Array): Uint8Array | undefined {
    return this.#all('select keys from bundles where hash = ?', hash).map(({ keys }) => bytesOf(keys))[0]
  }

  /** Keeps a map with its circuit keys before anybody sees it. An epoch has one map for ever: a second one is refused. */
  putMap({ epoch, hash, signed }: StoredMap, { bundles, outline, diffs }: MapCompanions): void {
    this.#atOnce(() => {
      for (const bundle of bundles) {
        this.#run('insert or replace into bundles values (?, ?, ?)', sha256(bundle), epoch, bundle)
      }
      for (const { from, to, bytes } of diffs)
        this.#run('insert into diffs values (?, ?, ?, ?)', from, to, epoch, bytes)
      this.#run('insert into outlines values (?, ?, ?, ?)', epoch, hash, outline.bundleHashes, outline.hubs)
      this.#run('insert into maps values (?, ?, ?)', epoch, hash, signed)
      for (const table of ['maps', 'outlines']) this.#run(`delete from ${table} where epoch <= ?`, epoch - KEPT_MAPS)
      for (const table of ['bundles', 'diffs']) {
        this.#run(`delete from ${table} where epoch <= ?`, epoch - KEPT_COMPANIONS)
      }
    })
    this.#latestMap = this.#loadLatestMap()
  }

  signedMap(hash: Uint8Array): Uint8Array | undefined {
    return this.#all('select signed from maps where hash = ?', hash).map(({ signed }) => bytesOf(signed))[0]
  }

  mapDiff(from: Uint8Array, to: Uint8Array): Uint8Array | undefined {
    const sql = 'select diff from diffs where from_hash = ? and to_hash = ?'
    return this.#all(sql, from, to).map(({ diff }) => bytesOf(diff))[0]
  }

  outline(hash: Uint8Array): StoredOutline | undefined {
    return this.#all('select * from outlines where hash = ?', hash).map(outlineRow)[0]
  }

  /** Of the maps of these epochs, both ends included. */
  outlines(first: number, last: number): StoredOutline[] {
    return this.#all('select * from outlines where epoch between ? and ?', first, last).map(outlineRow)
  }

  /** Writes a map into the log, from which nothing is ever taken. */
  appendLog({ epoch, hash, previousHash }: LoggedMap): void {
    this.#run('insert into log values (?, ?, ?)', epoch, hash, previousHash)
  }

  log(): LoggedMap[] {
    return this.#all('select * from log order by epoch').map((row) => ({
      epoch: Number(row.epoch),
      hash: bytesOf(row.hash),
      previousHash: bytesOf(row.previous),
    }))
  }

  /** Keeps for ever that a directory signed two things: both heads. */
  putProof(epoch: number, kind: string, first: Uint8Array, second: Uint8Array): void {
    this.#run('insert or ignore into proofs values (?, ?, ?, ?)', epoch, kind, first, second)
  }

  proofs(): { epoch: number; kind: string; first: Uint8Array; second: Uint8Array }[] {
    return this.#all('select * from proofs order by epoch').map((row) => ({
      epoch: Number(row.epoch),
      kind: String(row.kind),
      first: bytesOf(row.first),
      second: bytesOf(row.second),
    }))
  }

  #loadLatestMap(): StoredMap | undefined {
    const row = this.#all('select * from maps order by epoch desc limit 1')[0]
    return row && { epoch: Number(row.epoch), hash: bytesOf(row.hash), signed: bytesOf(row.signed) }
  }

  /** Forgets hubs that expired before this time, with their probes, and those that were never reached. */
  prune(expiredBefore: number): void {
    const never = 'hub_id not in (select hub_id from probes)'
    this.#run(`delete from descriptors where expires < ? or ${never}`, expiredBefore)
    for (const table of ['probes', 'records']) {
      this.#run(`delete from ${table} where hub_id not in (select hub_id from descriptors)`)
    }
  }

  /** All of it or nothing. */
  #atOnce(change: () => void): void {
    this.#database.exec('begin immediate')
    try {
      change()
      this.#database.exec('commit')
    } catch (error) {
      this.#database.exec('rollback')
      throw error
    }
  }

  #all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#database.prepare(sql).all(...values)
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#database.prepare(sql).run(...values)
  }
}

function descriptorOf(row: Record<string, unknown>): StoredDescriptor {
  return {
    hubId: bytesOf(row.hub_id),
    sequence: Number(row.sequence),
    expires: Number(row.expires),
    signed: bytesOf(row.signed),
  }
}

function outlineRow(row: Record<string, unknown>): StoredOutline {
  return {
    epoch: Number(row.epoch),
    hash: bytesOf(row.hash),
    bundleHashes: bytesOf(row.bundles),
    hubs: bytesOf(row.hubs),
  }
}

function bytesOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Fault('state-corrupt')
  return value
}

/** What SQLite calls a file that can not be written, by the lower byte of its error. */
const UNWRITABLE: Readonly<Record<number, string>> = {
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
}

function openFault(file: string, cause: unknown): Fault {
  const { errcode = 0 } = (cause ?? {}) as { errcode?: number }
  const errno = UNWRITABLE[errcode & 0xff]
  if (errno === undefined) return new Fault('state-corrupt', { file }, cause)
  const repair = 'make room on the disk, and give the user that runs this program the right to the file and its folder'
  return new Fault('state-unwritable', { file, errno, repair }, cause)
}
