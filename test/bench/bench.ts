/** `npm run bench`: all measurements, one JSON line `{"name","value","unit"}` each. */
import { benchPath } from './path.ts'

await benchPath({ bytes: 800_000_000, connections: 300 })
