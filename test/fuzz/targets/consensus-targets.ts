import { decodeEcho, encodeEcho } from '../../../directory/consensus/echo.ts'
import { decodeLogEntry, encodeLogEntry } from '../../../directory/consensus/log-entry.ts'
import { makeMap } from '../../../directory/consensus/make-map.ts'
import { encodeNote, NOTE_KINDS, signNote, verifyNote } from '../../../directory/consensus/note.ts'
import { SignedEpochs } from '../../../directory/consensus/signed-epochs.ts'
import { decodeVote, encodeVote, type Vote } from '../../../directory/consensus/vote.ts'
import { finishMap } from '../../../directory/map-draft.ts'
import { concatBytes, equalBytes, toHex } from '../../../shared/base/bytes.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { DirectoryKey, DirectoryPublicKey } from '../../../shared/crypto/directory-key.ts'
import type { Network } from '../../../shared/map/network.ts'
import { NO_LIMITS } from '../../support/directory-votes.ts'
import { EPOCH, EPOCH_S, mapHubOf, NETWORK_ID } from '../../support/map-fixtures.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { orFault } from './document-targets.ts'
import { stateFolder, writeState } from './state-targets.ts'

const KEYS = [0x31, 0x32, 0x33].map((fill) => DirectoryKey.fromSeed(new Uint8Array(32).fill(fill)))
const [KEY, OTHER] = KEYS as [DirectoryKey, DirectoryKey]
const NETWORK: Network = {
  ...{ name: 'fuzz', id: NETWORK_ID, threshold: 2, testNetwork: false },
  directories: KEYS.map(({ publicBytes }, i) => ({
    ...{ name: `d${i}`, url: 'http://192.0.2.1' },
    key: new DirectoryPublicKey(publicBytes),
  })),
}
const CIRCUIT_KEY = new CircuitPublicKey(CircuitKeyPair.fromBytes(new Uint8Array(96).fill(0x5a)).publicBytes)

function smallVote(hubs: number): Vote {
  return {
    terms: { epochSeconds: EPOCH_S, lifeEpochs: 3, limits: NO_LIMITS, parameters: { addressScope: [] } },
    previous: { epoch: EPOCH - 1, hash: new Uint8Array(32).fill(7) },
    hubs: Array.from({ length: hubs }, (_, i) => ({
      ...{ sequence: i, provenSince: 1000 + i },
      hub: mapHubOf(new Uint8Array(32).fill(i + 1), { circuitKey: CIRCUIT_KEY, exitPolicy: [] }),
      weightKbits: i === 0 ? undefined : 2048 * i,
    })),
  }
}

const vote: FuzzTarget = {
  name: 'vote',
  about: 'what a directory says of hubs to the others',
  maxBytes: 8192,
  seeds: () => [0, 1, 2].map((hubs) => encodeVote(smallVote(hubs))),
  run(input) {
    const read = orFault(['encoding-invalid', 'document-too-large'], () => decodeVote(input))
    if (typeof read === 'string') return read
    promise(equalBytes(encodeVote(read), input), 'there is one encoding of a vote')
    const votes = [smallVote(2), read, smallVote(1)]
    const [map, same] = [votes, votes.toReversed()].map((some) => makeMap(some, EPOCH, 0))
    promise((map === undefined) === (same === undefined), 'the order of votes means nothing')
    if (map === undefined || same === undefined) return 'read'
    const bodies = [map, same].map((one) => finishMap(one, NETWORK_ID).body) as [Uint8Array, Uint8Array]
    promise(equalBytes(...bodies), 'the order of votes means nothing for the map')
    return 'made'
  },
}

const note: FuzzTarget = {
  name: 'note',
  about: 'head and body of what a directory says to the others',
  maxBytes: 1024,
  seeds: () => NOTE_KINDS.map((kind) => encodeNote(signNote(kind, EPOCH, new Uint8Array(40), KEY, NETWORK_ID))),
  run(input) {
    const results = NOTE_KINDS.map((kind) => {
      const codes = ['encoding-invalid', 'signature-invalid', 'document-too-large'] as const
      const read = orFault(codes, () => verifyNote(kind, input, NETWORK))
      if (typeof read === 'string') return read
      promise(equalBytes(encodeNote(read), input), 'a note is handed on as it came')
      return 'read'
    })
    promise(results.filter((result) => result === 'read').length <= 1, 'a note is of one kind')
    return results.includes('read') ? 'read' : (results[0] as string)
  },
}

const echo: FuzzTarget = {
  name: 'echo',
  about: 'whose votes a directory got',
  maxBytes: 1024,
  seeds: () => {
    const heads = [KEY, OTHER].map((key) => signNote('vote', EPOCH, Uint8Array.of(1), key, NETWORK_ID).head)
    return [0, 1, 2].map((count) => encodeEcho(heads.slice(0, count)))
  },
  run(input) {
    const codes = ['encoding-invalid', 'signature-invalid'] as const
    const read = orFault(codes, () => decodeEcho(input, EPOCH, NETWORK))
    if (typeof read === 'string') return read
    promise(equalBytes(encodeEcho(read), input), 'there is one encoding of an echo')
    promise(new Set(read.map(({ bytes }) => toHex(bytes))).size === read.length, 'a head stands there once')
    return `read ${read.length}`
  },
}

const logEntry: FuzzTarget = {
  name: 'log-entry',
  about: 'an entry of the log of maps, and the file of what was signed',
  maxBytes: 256,
  seeds: () => [new Uint8Array(128), concatBytes(new Uint8Array(64).fill(1), new Uint8Array(44))],
  run(input) {
    const read = orFault(['encoding-invalid'], () => decodeLogEntry(input))
    promise((typeof read === 'object') === (input.length === 128), 'an entry has 128 bytes')
    if (typeof read === 'object') promise(equalBytes(encodeLogEntry(read), input), 'there is one encoding of an entry')
    writeState('signed-epochs', input)
    const signed = orFault(['state-corrupt'], () => new SignedEpochs(`${stateFolder()}/signed-epochs`))
    promise((typeof signed === 'object') === (input.length === 108), 'the file has three epochs and hashes')
    return `${typeof read} ${typeof signed}`
  },
}

export const CONSENSUS_TARGETS: readonly FuzzTarget[] = [vote, note, echo, logEntry]
