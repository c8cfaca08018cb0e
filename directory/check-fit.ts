import { equalBytes } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import type { DirectoryKey } from '../shared/crypto/directory-key.ts'
import type { Network } from '../shared/map/network.ts'
import { liarsOf } from './consensus/consensus.ts'
import type { DirectoryOptions } from './options.ts'
import type { Store } from './store.ts'

export interface FitParts {
  readonly network: Network
  readonly key: DirectoryKey
  readonly store: Store
  /** Unix ms. */
  readonly wallClock: () => number
}

/** @throws Fault options-invalid if key, network, store and options do not fit together */
export function checkFit(options: DirectoryOptions, { network, key, store, wallClock }: FitParts): void {
  const mistakes: string[] = []
  if (!network.directories.some((one) => equalBytes(one.key.bytes, key.publicBytes))) {
    mistakes.push('networkFile: expected the key of this directory among its directories')
  }
  if (options.addressScope.length > 0 && !network.testNetwork) {
    mistakes.push('addressScope: expected none, because the network file does not say "testNetwork": true')
  }
  if (liarsOf(network) < 0) {
    mistakes.push('networkFile: expected a threshold of more than half of the directories')
  }
  const latest = store.latestMap()?.epoch ?? 0
  const epoch = Math.floor(wallClock() / 1000 / options.epochSeconds)
  if (latest > epoch) {
    mistakes.push(
      `epochSeconds: expected what makes the epoch ${latest} of the last map the past; by this it is ${epoch}`,
    )
  }
  if (mistakes.length > 0) throw new Fault('options-invalid', { mistakes: mistakes.join('\n') })
}
