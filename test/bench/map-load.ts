/** `map-load.ts MAP KEYS TIME [NETWORK]`: a program that does nothing but to take a map with its keys. Says what that took. */
import { readFileSync } from 'node:fs'
import { splitBundles } from '../../shared/map/key-bundles.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { UnverifiedMap } from '../../shared/map/signed-map.ts'
import { BENCH_NETWORK } from './bench-network.ts'

const [mapFile = '', keysFile = '', time, networkFile] = process.argv.slice(2)
const network = networkFile === undefined ? BENCH_NETWORK : readNetworkFile(networkFile)
const rssMib = (name: string): number =>
  Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024

const before = rssMib('VmRSS')
const bytes = readFileSync(mapFile)
const started = performance.now()
const map = new UnverifiedMap(bytes).verify(network, Number(time))
const verified = performance.now()
const whole = map.withKeys(splitBundles(map.content.hubs, readFileSync(keysFile)))
const done = performance.now()
console.log(
  JSON.stringify({
    verifyMs: verified - started,
    keysMs: done - verified,
    beforeMib: before,
    peakMib: rssMib('VmHWM'),
    hubs: whole.content.hubs.length,
  }),
)
