import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { seededRandom } from '../support/seeded-random.ts'
import { serveAddress, serveHttp } from '../world/destinations.ts'
import type { HostProcess } from '../world/host-process.ts'
import { type CityName, SOCKS_PORT, SpnWorld, type WorldHub } from '../world/spn-world.ts'
import { describeWorld } from '../world/support.ts'
import type { Call } from './support/call-program.ts'

const HUBS: readonly CityName[] = [
  ...(['amsterdam', 'berlin', 'dublin', 'helsinki', 'london', 'stockholm', 'cairo', 'newYork'] as const),
  ...(['toronto', 'chicago', 'mexicoCity', 'saoPaulo', 'mumbai', 'singapore', 'tokyo', 'sydney'] as const),
]
const PROGRAM = fileURLToPath(new URL('support/call-program.ts', import.meta.url))
const CALLS = 1_000
const EVERY_MS = 100
const KILL_EVERY_MS = 3_000
/** Of connections that are made, and answered to the end. */
const LEAST_WHOLE = 0.995
/** In which a new connection is made, whatever hub has just died. */
const SOON_MS = 1_000
const CALLS_AFTER = 5

describeWorld(describe, 'a network whose hubs die, with the delays of the earth between them', () => {
  let spn: SpnWorld
  let caller: HostProcess

  beforeAll(async () => {
    spn = await SpnWorld.create({
      ...{ hubs: HUBS, destinations: ['paris'], userCity: 'warsaw', delays: true, intercept: false },
    })
    const paris = spn.destination('paris')
    const [{ port }, web] = await Promise.all([serveAddress(paris), serveHttp(paris)])
    await spn.startClient()
    caller = spn.user.node(PROGRAM, [SOCKS_PORT, paris.ipv4, port, web.port].map(String))
    await caller.line(/^ready$/)
  }, 240_000)

  afterAll(async () => {
    await spn?.close()
  })

  /** @returns how all of them ended */
  async function callMany(count: number, everyMs: number): Promise<Call[]> {
    const calls: Call[] = []
    const stop = caller.onLine((line) => {
      if (line.startsWith('{')) calls.push(JSON.parse(line) as Call)
    })
    caller.stdin.write(`${count} ${everyMs}\n`)
    await caller.nextLine(/^done$/, 300_000)
    stop()
    return calls
  }

  async function kill(hub: WorldHub): Promise<void> {
    hub.process.kill('SIGKILL')
    await hub.process.exited
  }

  /** The hubs that the newest connection goes through, the home first. */
  async function newestPath(): Promise<WorldHub[]> {
    await callMany(1, 0)
    const { path } = (await spn.connections()).findLast(({ by }) => by === 'socks') as {
      path: readonly { city: string }[]
    }
    return path.map(({ city }) => spn.hubs.find((hub) => hub.city.place.city === city) as WorldHub)
  }

  test.each(['home', 'relay', 'exit'])('new connections are made within a second when the %s dies', async (role) => {
    const index = ['home', 'relay', 'exit'].indexOf(role)
    const path = await newestPath()
    expect(path).toHaveLength(3)
    const victim = path[index] as WorldHub
    victim.process.kill('SIGKILL')
    const calls = await callMany(CALLS_AFTER, 0)
    await victim.process.exited
    await spn.startHub(victim)
    const figures = figuresOf(calls)
    expect(figures).toEqual({ ...figures, soon: CALLS_AFTER, whole: CALLS_AFTER })
  })

  test('99.5 % of a thousand connections are made and answered while a hub is killed and started again every 3 s', async () => {
    const random = seededRandom('dying hubs')
    let isOver = false
    const down = new Set<WorldHub>()
    const restart = async (hub: WorldHub): Promise<void> => {
      down.add(hub)
      await kill(hub)
      await spn.startHub(hub)
      down.delete(hub)
    }
    const killing = (async () => {
      const restarts: Promise<void>[] = []
      while (!isOver) {
        const running = spn.hubs.filter((hub) => !down.has(hub))
        restarts.push(restart(running[random.below(running.length)] as WorldHub))
        await new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS))
      }
      await Promise.all(restarts)
      return restarts.length
    })()
    const calls = await callMany(CALLS, EVERY_MS)
    isOver = true
    const kills = await killing
    // The client remembers a thousand. All that were cut were opened again, but those among the failures.
    const failed = (await spn.connections()).filter(({ by, state }) => by === 'socks' && state === 'failed')
    const cut = failed.filter(({ openMs }) => openMs !== undefined).length
    const notMade = failed.flatMap(({ openMs, fault }) => (openMs === undefined ? (fault ?? []) : []))
    const figures = { ...figuresOf(calls), kills, cut, notMade }
    process.stderr.write(`dying hubs: ${JSON.stringify(figures)}\n`)
    expect(kills).toBeGreaterThan(25)
    const isEnough = calls.filter(isWhole).length / calls.length >= LEAST_WHOLE
    expect({ ...figures, isEnough }).toEqual({ ...figures, calls: CALLS, isEnough: true })
  })
})

function isSoon({ connectMs = Number.POSITIVE_INFINITY }: Call): boolean {
  return connectMs < SOON_MS
}

/** Was it made, and did the whole answer come, to its end? */
function isWhole({ seen, failure }: Call): boolean {
  return seen !== undefined && failure === undefined
}

function figuresOf(calls: readonly Call[]): Record<string, unknown> {
  const times = calls.flatMap(({ connectMs }) => connectMs ?? []).sort((a, b) => a - b)
  const failures = calls.filter((one) => !isWhole(one)).map(({ server, failure }) => `${server}: ${failure ?? 'cut'}`)
  return {
    ...{ calls: calls.length, made: times.length, whole: calls.length - failures.length, failures },
    ...{ soon: calls.filter(isSoon).length, medianMs: times[times.length >> 1], longestMs: times.at(-1) },
    p99Ms: times[Math.floor(times.length * 0.99)],
  }
}
