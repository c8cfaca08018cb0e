import { Fault } from '../../shared/base/fault.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { decodeCanonical, encodeCanonical, type Value } from '../../shared/map/canonical.ts'
import {
  areSorted,
  HASH_BYTES,
  hubValue,
  MAX_HUBS,
  type MapParameters,
  parametersValue,
  readHub,
  readParameters,
} from '../../shared/map/hub-map.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import { ValueReader } from '../../shared/map/value-reader.ts'
import { HUB_LIMITS, type HubLimits } from '../admission/hub-limits.ts'
import { MAX_VOTE_BYTES } from './note.ts'

/** What all directories of a network have to be set to alike. */
export interface Terms {
  readonly epochSeconds: number
  readonly lifeEpochs: number
  readonly limits: HubLimits
  readonly parameters: MapParameters
}

/** A map by its name: epoch and hash. Zeros stand for none. */
export interface MapName {
  readonly epoch: number
  readonly hash: Uint8Array
}

/** A hub as one directory sees it: by the descriptor of this sequence, at the addresses where it was reached. */
export interface VotedHub {
  readonly sequence: number
  /** Since when the youngest of its addresses proved its identity here. Seconds of network time. */
  readonly provenSince: number
  /** With the capacity that it claims, and what this directory measured of the rest. */
  readonly hub: KeyedHub
  /** What this directory gives it for what it carried, kbit/s; undefined if it carried nothing yet. */
  readonly weightKbits: number | undefined
}

/** What one directory thinks that the next map should say (SPEC section 11.9). */
export interface Vote {
  readonly terms: Terms
  /** The newest map that the directory has. */
  readonly previous: MapName
  /** In the order of their ids. */
  readonly hubs: readonly VotedHub[]
}

const VOTE_VERSION = 2
const MAX_VOTE_DEPTH = 6

/**
 * [version, [epoch seconds, life, limits, parameters], [epoch, hash],
 * [[sequence, proven since, circuit key, hub, [] or [weight]], ...]]
 */
export function encodeVote({ terms, previous, hubs }: Vote): Uint8Array {
  return encodeCanonical([
    VOTE_VERSION,
    termsValue(terms),
    [previous.epoch, previous.hash],
    hubs.map(({ sequence, provenSince, hub, weightKbits }) => [
      ...[sequence, provenSince, hub.circuitKey.bytes, hubValue(hub)],
      weightKbits === undefined ? [] : [weightKbits],
    ]),
  ])
}

/** @throws Fault document-too-large, encoding-invalid */
export function decodeVote(body: Uint8Array): Vote {
  const limits = { maxBytes: MAX_VOTE_BYTES, maxDepth: MAX_VOTE_DEPTH }
  const reader = new ValueReader(decodeCanonical(body, limits))
  const version = reader.uint()
  const terms = reader.record(readTerms)
  const previous = reader.record(readMapName)
  const hubs = reader.list(MAX_HUBS, readVotedHub)
  const sorted = areSorted(hubs.map(({ hub }) => hub))
  if (version === VOTE_VERSION && reader.ended && terms !== undefined && previous !== undefined && sorted) {
    return { terms, previous, hubs }
  }
  throw new Fault('encoding-invalid')
}

export function termsValue({ epochSeconds, lifeEpochs, limits, parameters }: Terms): Value {
  return [epochSeconds, lifeEpochs, HUB_LIMITS.map((name) => limits[name]), parametersValue(parameters)]
}

function readTerms(reader: ValueReader): Terms | undefined {
  const [epochSeconds, lifeEpochs] = [reader.uint(), reader.uint()]
  const limits = reader.record(readLimits)
  const parameters = reader.record(readParameters)
  return reader.ended && limits !== undefined && parameters !== undefined && epochSeconds > 0 && lifeEpochs > 0
    ? { epochSeconds, lifeEpochs, limits, parameters }
    : undefined
}

function readLimits(reader: ValueReader): HubLimits | undefined {
  const limits = Object.fromEntries(HUB_LIMITS.map((name) => [name, reader.uint()])) as Record<keyof HubLimits, number>
  return reader.ended ? limits : undefined
}

function readMapName(reader: ValueReader): MapName | undefined {
  const name = { epoch: reader.uint(), hash: reader.bytes(HASH_BYTES) }
  return reader.ended ? name : undefined
}

function readVotedHub(reader: ValueReader): VotedHub | undefined {
  const [sequence, provenSince] = [reader.uint(), reader.uint()]
  const circuitKey = reader.bytes(CIRCUIT_PUBLIC_KEY_BYTES)
  const hub = reader.record(readHub)
  const [weightKbits] = reader.uints(1)
  if (!reader.ended || hub === undefined) return undefined
  return { sequence, provenSince, hub: { ...hub, circuitKey: new CircuitPublicKey(circuitKey) }, weightKbits }
}
