/** `map-load.ts MAP KEYS`: a program that does nothing but to take a map with its keys. Says what that took. */
import { readFileSync } from 'node:fs'
import { splitBundles } from '../../shared/map/key-bundles.ts'
import { UnverifiedMap } from '../../shared/map/signed-map.ts'
import { BENCH_NETWORK } from './bench-network.ts'

const [mapFile = '', keysFile = ''] = process.argv.slice(2)
const rssMib = (name: string): number =>
  Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024

const before = rssMib('VmRSS')
const bytes = readFileSync(mapFile)
const started = performance.now()
const map = new UnverifiedMap(bytes).verify(BENCH_NETWORK, Number(process.argv[4]))
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
