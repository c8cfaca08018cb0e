/** `npm run bench`: all measurements, one JSON line `{"name","value","unit"}` each. */
import { benchApps } from './apps.ts'
import { benchBuilds } from './builds.ts'
import { benchChoices } from './choices.ts'
import { benchConnections } from './connections.ts'
import { bench304 } from './directory-304.ts'
import { benchFair } from './fair.ts'
import { benchMany } from './many.ts'
import { benchMaps } from './maps.ts'
import { benchNames } from './names.ts'
import { benchPath } from './path.ts'
import { benchQueue } from './queue.ts'
import { benchRules } from './rules.ts'
import { benchThinLine } from './thin-line.ts'
import { benchUdp } from './udp.ts'

await benchPath({ bytes: 800_000_000, connections: 300 })
await benchConnections({ rounds: 5, seconds: 4 })
await benchUdp({ seconds: 4 })
await benchBuilds(5)
await benchMany()
await benchFair()
await benchNames({ cached: 2000, uncached: 200 })
await benchThinLine()
benchRules({ samples: 2_000 })
await benchApps({ samples: 1000 })
await benchQueue({ samples: 1000, seconds: 3 })
await benchMaps({ hubs: 10_000, churn: 0.01, loads: 3 })
await bench304({ seconds: 4 })
benchChoices({ hubs: 10_000, links: 100_000, choices: 5_000 })
