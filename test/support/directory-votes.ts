import { signNote } from '../../directory/consensus/note.ts'
import type { RoundParts } from '../../directory/consensus/round.ts'
import { SignedEpochs } from '../../directory/consensus/signed-epochs.ts'
import { encodeVote, type Vote, type VotedHub } from '../../directory/consensus/vote.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import type { Network } from '../../shared/map/network.ts'
import { signMapBody } from '../../shared/map/signed-map.ts'
import { EPOCH, EPOCH_S, mapHubOf, NETWORK_ID } from './map-fixtures.ts'

export function votedHub(
  fill: number,
  changes: Partial<KeyedHub> = {},
  sequence = 1,
  weightKbits: number | undefined = undefined,
): VotedHub {
  return { sequence, hub: mapHubOf(new Uint8Array(32).fill(fill), changes), weightKbits }
}

export function voteOf(changes: Partial<Vote> = {}): Vote {
  return {
    terms: { epochSeconds: EPOCH_S, lifeEpochs: 3, parameters: { addressScope: [] } },
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
