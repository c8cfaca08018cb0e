import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Fault } from '../shared/base/fault.ts'
import { makeStateFolder } from '../shared/base/state-file.ts'
import { sha256 } from '../shared/crypto/kdf.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import {
  KEPT_COMPANIONS,
  KEPT_MAPS,
  type LoggedMap,
  MAX_ABSENCE_S,
  type MapCompanions,
  type Store,
  type StoredDescriptor,
  type StoredMap,
  type StoredOutline,
  type StoredProbe,
  type StoredProof,
  type StoredRecord,
} from './store.ts'
import { MemoryUnprovedHubs } from './unproved-hubs.ts'

const SCHEMA = `
  create table if not exists descriptors (
    hub_id blob primary key, sequence integer not null, expires integer not null, signed blob not null
  ) strict;
  create table if not exists probes (
    hub_id blob not null, ip blob not null, port integer not null, reached_at integer not null, failures integer not null,
    proven_since integer not null, primary key (hub_id, ip, port)
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

/** Files of versions before have no such column: of hubs that they know nothing is known but when they were reached last. */
const PROVEN_SINCE = `
  alter table probes add column proven_since integer not null default 0;
  update probes set proven_since = reached_at;
`

/** The store of a directory that is one process: a file. */
export class SqliteStore implements Store {
  readonly unproved = new MemoryUnprovedHubs()
  readonly #database: DatabaseSync
  #latestMap: StoredMap | undefined
  #checks = 0

  /** @throws Fault state-corrupt if the file is no database of ours; state-unwritable */
  constructor(file: string) {
    if (file !== ':memory:') makeStateFolder(dirname(file))
    try {
      this.#database = new DatabaseSync(file)
      this.#database.exec('pragma journal_mode = wal; pragma synchronous = full;')
      this.#database.exec(SCHEMA)
      const columns = this.#all('pragma table_info(probes)').map(({ name }) => name)
      if (!columns.includes('proven_since')) this.#atOnce(() => this.#database.exec(PROVEN_SINCE))
      this.#latestMap = this.#loadLatestMap()
    } catch (cause) {
      throw openFault(file, cause)
    }
  }

  async close(): Promise<void> {
    this.#database.close()
  }

  async check(): Promise<void> {
    this.#checks = (this.#checks + 1) % 0x7fffffff
    this.#database.exec(`pragma user_version = ${this.#checks}`)
  }

  async descriptor(hubId: Uint8Array): Promise<StoredDescriptor | undefined> {
    return this.#all('select * from descriptors where hub_id = ?', hubId).map(descriptorOf)[0]
  }

  async descriptors(now: number): Promise<StoredDescriptor[]> {
    return this.#all('select * from descriptors where expires > ? order by hub_id', now).map(descriptorOf)
  }

  async hubCount(now: number): Promise<number> {
    return Number(this.#all('select count(*) as n from descriptors where expires > ?', now)[0]?.n)
  }

  async rowCount(): Promise<number> {
    return Number(this.#all('select count(*) as n from descriptors')[0]?.n)
  }

  /** What is in the file is safe. */
  async settle(): Promise<void> {}

  async putDescriptor({ hubId, sequence, expires, signed }: StoredDescriptor): Promise<boolean> {
    const put = `insert into descriptors values (?, ?, ?, ?) on conflict (hub_id) do update set
      sequence = excluded.sequence, expires = excluded.expires, signed = excluded.signed where excluded.sequence > sequence`
    return this.#run(put, hubId, sequence, expires, signed) > 0
  }

  async probes(): Promise<StoredProbe[]> {
    return this.#all('select * from probes').map((row) => ({
      hubId: bytesOf(row.hub_id),
      address: { ip: bytesOf(row.ip), port: Number(row.port) },
      reachedAt: Number(row.reached_at),
      failures: Number(row.failures),
      provenSince: Number(row.proven_since),
    }))
  }

  async putReached(hubId: Uint8Array, { ip, port }: LinkAddress, now: number): Promise<void> {
    this.#run(
      `insert into probes values (?1, ?2, ?3, ?4, 0, ?4) on conflict (hub_id, ip, port) do update set
        proven_since = iif(abs(?4 - reached_at) > ?5, ?4, proven_since), reached_at = ?4, failures = 0`,
      ...[hubId, ip, port, now, MAX_ABSENCE_S],
    )
  }

  async putFailed(hubId: Uint8Array, { ip, port }: LinkAddress): Promise<void> {
    const sql = 'update probes set failures = failures + 1 where hub_id = ? and ip = ? and port = ?'
    this.#run(sql, hubId, ip, port)
  }

  async records(): Promise<StoredRecord[]> {
    return this.#all('select * from records').map((row) => ({
      hubId: bytesOf(row.hub_id),
      record: bytesOf(row.record),
    }))
  }

  async putRecords(records: readonly StoredRecord[]): Promise<void> {
    this.#atOnce(() => {
      for (const { hubId, record } of records) {
        this.#run('insert or replace into records values (?, ?)', hubId, record)
      }
    })
  }

  latestMap(): StoredMap | undefined {
    return this.#latestMap
  }

  async keyBundle(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#all('select keys from bundles where hash = ?', hash).map(({ keys }) => bytesOf(keys))[0]
  }

  async putMap({ epoch, hash, signed }: StoredMap, companions: MapCompanions): Promise<void> {
    const { bundles, outline, diffs, previousHash } = companions
    this.#atOnce(() => {
      for (const bundle of bundles) {
        this.#run('insert or replace into bundles values (?, ?, ?)', sha256(bundle), epoch, bundle)
      }
      for (const { from, to, bytes } of diffs)
        this.#run('insert into diffs values (?, ?, ?, ?)', from, to, epoch, bytes)
      this.#run('insert into outlines values (?, ?, ?, ?)', epoch, hash, outline.bundleHashes, outline.hubs)
      this.#run('insert into maps values (?, ?, ?)', epoch, hash, signed)
      this.#run('insert into log values (?, ?, ?)', epoch, hash, previousHash)
      for (const table of ['maps', 'outlines']) this.#run(`delete from ${table} where epoch <= ?`, epoch - KEPT_MAPS)
      for (const table of ['bundles', 'diffs']) {
        this.#run(`delete from ${table} where epoch <= ?`, epoch - KEPT_COMPANIONS)
      }
    })
    this.#latestMap = this.#loadLatestMap()
  }

  async signedMap(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#all('select signed from maps where hash = ?', hash).map(({ signed }) => bytesOf(signed))[0]
  }

  async mapDiff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined> {
    const sql = 'select diff from diffs where from_hash = ? and to_hash = ?'
    return this.#all(sql, from, to).map(({ diff }) => bytesOf(diff))[0]
  }

  async outline(hash: Uint8Array): Promise<StoredOutline | undefined> {
    return this.#all('select * from outlines where hash = ?', hash).map(outlineRow)[0]
  }

  async outlines(first: number, last: number): Promise<StoredOutline[]> {
    return this.#all('select * from outlines where epoch between ? and ?', first, last).map(outlineRow)
  }

  async log(): Promise<LoggedMap[]> {
    return this.#all('select * from log order by epoch').map((row) => ({
      epoch: Number(row.epoch),
      hash: bytesOf(row.hash),
      previousHash: bytesOf(row.previous),
    }))
  }

  async putProof({ epoch, kind, first, second }: StoredProof): Promise<void> {
    this.#run('insert or ignore into proofs values (?, ?, ?, ?)', epoch, kind, first, second)
  }

  async proofs(): Promise<StoredProof[]> {
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

  async prune(expiredBefore: number): Promise<void> {
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

  /** The number of rows that it changed. */
  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#database.prepare(sql).run(...values).changes)
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
