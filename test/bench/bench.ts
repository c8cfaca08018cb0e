/** `npm run bench`: all measurements, one JSON line `{"name","value","unit"}` each. */
import { benchBuilds } from './builds.ts'
import { benchPath } from './path.ts'
import { benchQueue } from './queue.ts'

await benchPath({ bytes: 800_000_000, connections: 300 })
await benchBuilds(5)
await benchQueue({ samples: 1000 })
