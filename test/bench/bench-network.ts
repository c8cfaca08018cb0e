import { DirectoryKey, DirectoryPublicKey } from '../../shared/crypto/directory-key.ts'
import type { Network } from '../../shared/map/network.ts'

/** Of seven directories, the same in every process. */
export const BENCH_KEYS = Array.from({ length: 7 }, (_, i) => DirectoryKey.fromSeed(new Uint8Array(32).fill(i + 1)))

export const BENCH_NETWORK: Network = {
  ...{ name: 'bench', id: new Uint8Array(32).fill(0x62), threshold: 5, testNetwork: false },
  directories: BENCH_KEYS.map(({ publicBytes }, i) => ({
    ...{ name: `d${i}`, url: `http://d${i}.example` },
    key: new DirectoryPublicKey(publicBytes),
  })),
}
