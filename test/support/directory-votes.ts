import { HUB_LIMITS, type HubLimits } from '../../directory/admission/hub-limits.ts'
import { signNote } from '../../directory/consensus/note.ts'
import type { RoundParts } from '../../directory/consensus/round.ts'
import { SignedEpochs } from '../../directory/consensus/signed-epochs.ts'
import { encodeVote, type Vote, type VotedHub } from '../../directory/consensus/vote.ts'
import type { Assessor } from '../../directory/map-builder.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { MAX_HUBS } from '../../shared/map/hub-map.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import { UNMEASURED } from '../../shared/map/measured.ts'
import type { Network } from '../../shared/map/network.ts'
import { signMapBody } from '../../shared/map/signed-map.ts'
import { EPOCH, EPOCH_S, mapHubOf, NETWORK_ID } from './map-fixtures.ts'

/** Any number of hubs may have anything in common. */
export const NO_LIMITS = Object.fromEntries(HUB_LIMITS.map((name) => [name, MAX_HUBS])) as Record<
  keyof HubLimits,
  number
>

/** Of a directory that measured nothing. */
export const NO_ASSESSOR: Assessor = {
  compare: () => undefined,
  assess: () => ({ weightKbits: undefined, measured: UNMEASURED }),
}

export function votedHub(
  fill: number,
  changes: Partial<KeyedHub> = {},
  sequence = 1,
  weightKbits: number | undefined = undefined,
): VotedHub {
  const provenSince = EPOCH * EPOCH_S - 86_400
  return { sequence, provenSince, weightKbits, hub: mapHubOf(new Uint8Array(32).fill(fill), changes) }
}

export function voteOf(changes: Partial<Vote> = {}): Vote {
  return {
    terms: { epochSeconds: EPOCH_S, lifeEpochs: 3, limits: NO_LIMITS, parameters: { addressScope: [] } },
    previous: { epoch: EPOCH - 1, hash: new Uint8Array(32).fill(7) },
    hubs: [votedHub(1), votedHub(2)],
    ...changes,
  }
}

/** What a round of this directory needs; signs once only, by the file. */
export function roundPartsOf(
  network: Network,
  key: DirectoryKey,
  file: string,
  vote: () => Vote | undefined,
  changes: Partial<RoundParts> = {},
): RoundParts {
  const signed = new SignedEpochs(file)
  const epoch = changes.epoch ?? EPOCH
  return {
    ...{ network, epoch, liars: 2 * network.threshold - network.directories.length - 1 },
    vote: () => {
      const said = vote()
      return said && encodeVote(said)
    },
    sign: (kind, body) => {
      const note = signNote(kind, epoch, body, key, NETWORK_ID)
      return signed.claim(kind, epoch, note.head.hash) ? note : undefined
    },
    signMap: (body) => signMapBody(body, key, NETWORK_ID),
    onProof: () => undefined,
    ...changes,
  }
}
