/**
 * Makes a world with a stubborn program in it and then waits for ever: for the tests of what becomes of a world whose
 * owner is killed. Writes the id of the world and the pid of the program.
 */
import { CITIES } from './cities.ts'
import { World } from './world.ts'

const world = await World.create({ hosts: [{ name: 'berlin', ...CITIES.berlin }] })
const stubborn = world.host('berlin').spawn('sh', ['-c', 'trap "" TERM; setsid sh -c "echo $$; sleep 600" & wait'])
const [pid] = await stubborn.line(/^\d+$/)
console.log(`${world.id} ${pid}`)
setInterval(() => undefined, 60_000)
