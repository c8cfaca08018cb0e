import { equalBytes, toHex } from '../shared/base/bytes.ts'
import type { Log } from '../shared/base/log.ts'
import { othersTurn } from '../shared/base/others-turn.ts'
import type { DirectoryKey } from '../shared/crypto/directory-key.ts'
import { encodeSignedMap, signMapBody } from '../shared/map/signed-map.ts'
import type { PublishedMap } from './consensus/consensus.ts'
import { makeMap } from './consensus/make-map.ts'
import type { SignedEpochs } from './consensus/signed-epochs.ts'
import { decodeVote, encodeVote, type Vote } from './consensus/vote.ts'
import { finishMap } from './map-draft.ts'
import type { Sharing } from './sharing.ts'

export interface SharedPublisherParts {
  readonly sharing: Sharing
  readonly key: DirectoryKey
  readonly networkId: Uint8Array
  readonly signed: SignedEpochs
  readonly log: Log
  /** Undefined if it is too early for a map. */
  readonly vote: () => Promise<Vote | undefined>
  /** Epoch of the newest map. */
  readonly latest: () => number | undefined
  readonly publish: (map: PublishedMap) => Promise<void>
  /** This replica publishes from now on. */
  readonly onTurn: () => void
}

/**
 * Publishes for a directory of several replicas that is alone in its network:
 *
 *     lease  →  vote   →  hash   →  own file  →  signature, map
 *     mine      frozen    frozen    synced       handed out
 *
 * The map is a function of the frozen vote, so whoever goes on with an epoch makes the same bytes.
 */
export class SharedPublisher {
  readonly #parts: SharedPublisherParts

  constructor(parts: SharedPublisherParts) {
    this.#parts = parts
  }

  /** @param epoch the one that runs */
  async tick(epoch: number): Promise<void> {
    const { sharing, latest, onTurn } = this.#parts
    const turn = await sharing.lead()
    if (turn === undefined) return
    if (turn.isNew) onTurn()
    // The map of before has to be there, or two maps would follow one.
    if (turn.unfinished !== undefined) await this.#finish(turn.unfinished)
    if ((latest() ?? -1) >= epoch) return
    const vote = (await sharing.frozen('vote', epoch)) ?? (await this.#decideVote(epoch))
    if (vote !== undefined) await this.#sign(epoch, vote)
  }

  async #decideVote(epoch: number): Promise<Uint8Array | undefined> {
    const vote = await this.#parts.vote()
    return vote && this.#parts.sharing.freeze('vote', epoch, encodeVote(vote))
  }

  async #finish(epoch: number): Promise<void> {
    const vote = await this.#parts.sharing.frozen('vote', epoch)
    if (vote !== undefined) await this.#sign(epoch, vote)
  }

  async #sign(epoch: number, vote: Uint8Array): Promise<void> {
    const { sharing, key, networkId, signed, log, publish } = this.#parts
    // Each step takes long where there are many hubs: between them the lease is renewed, and others are answered.
    const read = decodeVote(vote)
    await othersTurn()
    const draft = makeMap([read], epoch, 0)
    await othersTurn()
    if (draft === undefined) return log.error('the vote of this epoch makes no map', { epoch })
    const made = finishMap(draft, networkId)
    await othersTurn()
    const hash = await sharing.freeze('log', epoch, made.hash)
    if (hash === undefined) return
    if (!equalBytes(hash, made.hash)) return log.error('another version makes another map of this epoch', { epoch })
    if (!signed.claim('log', epoch, toHex(hash)))
      return log.error('another map of this epoch was signed before', { epoch })
    await publish({ ...made, signed: encodeSignedMap(made.body, [signMapBody(made.body, key, networkId)]) })
  }
}
