import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HomeStore } from '../../../client/home-store.ts'
import { findKey, KEY_KINDS } from '../../../directory/key-files.ts'
import { CircuitKeyRing } from '../../../hub/circuit-keys.ts'
import { HubState } from '../../../hub/hub-state.ts'
import { concatBytes, equalBytes } from '../../../shared/base/bytes.ts'
import { createLog } from '../../../shared/base/log.ts'
import { NetworkTime } from '../../../shared/base/network-time.ts'
import { CircuitKeyPair } from '../../../shared/crypto/circuit-key.ts'
import { DirectoryClient } from '../../../shared/map/directory-client.ts'
import { MapKeeper } from '../../../shared/map/map-keeper.ts'
import { NOW_MS } from '../../support/map-fixtures.ts'
import { cheapRandom } from '../chance.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { CIRCUIT_KEY, NETWORK, orFault, smallSignedMap } from './document-targets.ts'

let folder: string | undefined

/** One folder for all runs, gone with the process. */
export function stateFolder(): string {
  if (folder !== undefined) return folder
  const made = mkdtempSync(join(tmpdir(), 'spn-fuzz-'))
  process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  folder = made
  return made
}

export function writeState(name: string, bytes: Uint8Array): string {
  writeFileSync(join(stateFolder(), name), bytes)
  return stateFolder()
}

const PAIR = CircuitKeyPair.fromBytes(new Uint8Array(96).fill(0x5a))
const held = { pair: PAIR, createdMs: 1_767_225_600_000, notBefore: 0 }

/** What the hub itself wrote. */
function savedKeys(keys: CircuitKeyRing): Uint8Array {
  const { createdMs } = keys.current
  const record = (ms: number, untilMs: number, pair: CircuitKeyPair): Uint8Array => {
    const head = new DataView(new ArrayBuffer(16))
    head.setBigUint64(0, BigInt(ms))
    head.setBigUint64(8, BigInt(untilMs))
    return concatBytes(new Uint8Array(head.buffer), pair.toBytes())
  }
  const { previous } = keys
  const records = [record(createdMs, 0, keys.current.pair)]
  if (previous !== undefined) records.push(record(previous.createdMs, previous.untilMs, previous.pair))
  return concatBytes(Uint8Array.of(1, records.length), ...records)
}

const circuitKeys: FuzzTarget = {
  name: 'circuit-keys-file',
  about: "the file of a hub's circuit keys",
  maxBytes: 512,
  seeds: () => [
    savedKeys(new CircuitKeyRing(held)),
    savedKeys(new CircuitKeyRing(held, { ...held, untilMs: held.createdMs + 7_200_000 })),
  ],
  run(input) {
    const state = new HubState(writeState('circuit.keys', input))
    const ring = orFault(['state-corrupt'], () => state.loadKeys(7))
    if (typeof ring === 'string' || ring === undefined) return String(ring)
    promise(ring.current.notBefore === 7, 'keys from the disk do not accept what came before')
    promise(equalBytes(ring.current.pair.toBytes(), input.slice(18, 114)), 'the key is the one of the file')
    ring.rotate(held.createdMs, 0, 7_200_000)
    promise(ring.find(ring.current.pair.id, held.createdMs) !== undefined, 'the current pair is found')
    return ring.previous === undefined ? 'one' : 'two'
  },
}

const smallState: FuzzTarget = {
  name: 'small-state-files',
  about: 'identity, sequence, directory key and home hubs',
  maxBytes: 256,
  seeds: () => [new Uint8Array(32).fill(1), Uint8Array.of(0, 0, 0, 9), new Uint8Array(128).fill(2), new Uint8Array(0)],
  run(input) {
    for (const name of ['identity.key', 'sequence', 'directory.key', 'homes']) writeState(name, input)
    const state = new HubState(stateFolder())
    const identity = orFault(['state-corrupt'], () => state.loadIdentity())
    promise((typeof identity === 'object') === (input.length === 32), 'an identity has 32 bytes')
    if (typeof identity === 'object') promise(equalBytes(identity.toSeed(), input), 'it is the one of the file')
    const sequence = orFault(['state-corrupt'], () => state.loadSequence())
    promise((typeof sequence === 'number') === (input.length === 4), 'a sequence has 4 bytes')
    const key = orFault(['state-corrupt'], () => findKey(stateFolder(), KEY_KINDS.directory))
    promise((typeof key === 'object') === (input.length === 32), "a directory's key has 32 bytes")
    const homes = orFault(['state-corrupt'], () => new HomeStore(stateFolder()))
    if (typeof homes === 'object')
      promise(equalBytes(concatBytes(...homes.ids), input), 'the ids are those of the file')
    return `${typeof identity} ${typeof sequence} ${typeof homes}`
  },
}

const OFFSET_BIAS = 1n << 62n

/** time u64 | length u32 | signed map | circuit keys */
const mapCache: FuzzTarget = {
  name: 'map-cache',
  about: 'the kept hub map of a program',
  maxBytes: 8192,
  seeds: () =>
    [0n, 3_600_000n, -86_400_000n].map((offset) => {
      const head = new DataView(new ArrayBuffer(12))
      head.setBigUint64(0, offset + OFFSET_BIAS)
      const hubs = offset === 0n ? 2 : 0
      const map = smallSignedMap(hubs)
      head.setUint32(8, map.length)
      return concatBytes(new Uint8Array(head.buffer), map, ...new Array<Uint8Array>(hubs).fill(CIRCUIT_KEY.bytes))
    }),
  run(input) {
    const cacheFile = join(writeState('hub-map', input), 'hub-map')
    const clock = { now: () => 1000 }
    const time = new NetworkTime()
    let maps = 0
    const warnings: string[] = []
    const keeper = new MapKeeper(
      { network: NETWORK, cacheFile, fetchAfterEpochs: [0, 0.1], withKeys: true },
      {
        ...{ time, clock, wallClock: () => NOW_MS, random: cheapRandom(1) },
        directories: new DirectoryClient(NETWORK, { clock, random: cheapRandom(1) }),
        log: createLog('warn', { write: (line) => void warnings.push(line) }),
        send: () => undefined,
        sendDirectly: () => Promise.reject(new Error('nobody is asked')),
        onMap: () => void maps++,
      },
    )
    keeper.start()
    const loaded = maps === 1
    if (loaded) promise(time.known && Number.isFinite(time.at(1000)), 'a map brings a time')
    else promise(!time.known, 'without a map there is no time')
    keeper.close()
    promise(warnings.length === (loaded ? 0 : 1), 'a map that is not used is said in the log')
    return loaded ? 'loaded' : 'not used'
  },
}

export const STATE_TARGETS: readonly FuzzTarget[] = [circuitKeys, smallState, mapCache]
