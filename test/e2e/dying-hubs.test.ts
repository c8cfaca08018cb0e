import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { seededRandom } from '../support/seeded-random.ts'
import { serveAddress } from '../world/destinations.ts'
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
const LEAST_SUCCESS = 0.995
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
    const { port } = await serveAddress(spn.destination('paris'))
    await spn.startClient()
    caller = spn.user.node(PROGRAM, [SOCKS_PORT, spn.destination('paris').ipv4, port].map(String))
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
    console.log(role, calls.map(({ connectMs, failure }) => failure ?? Math.round(connectMs ?? 0)).join(' '))
    for (const { connectMs, seen } of calls) {
      expect(connectMs).toBeLessThan(SOON_MS)
      expect(seen).toBeDefined()
    }
  })

  test('99.5 % of a thousand connections are made while a hub is killed and started again every 3 s', async () => {
    const random = seededRandom('dying hubs')
    let isOver = false
    const killing = (async () => {
      let kills = 0
      for (; !isOver; kills++) {
        const next = new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS))
        const victim = spn.hubs[random.below(spn.hubs.length)] as WorldHub
        await kill(victim)
        await Promise.all([spn.startHub(victim), next])
      }
      return kills
    })()
    const calls = await callMany(CALLS, EVERY_MS)
    isOver = true
    const kills = await killing
    const made = calls.filter(({ connectMs }) => connectMs !== undefined)
    const times = made.map(({ connectMs }) => connectMs as number).sort((a, b) => a - b)
    const failures = calls.flatMap(({ failure, seen }) => failure ?? (seen === undefined ? 'cut' : []))
    console.log(
      JSON.stringify({
        ...{ calls: calls.length, kills, made: made.length, answered: calls.filter(({ seen }) => seen).length },
        ...{ median: times[times.length >> 1], p99: times[Math.floor(times.length * 0.99)], longest: times.at(-1) },
        ...{ soon: times.filter((ms) => ms < SOON_MS).length, failures },
      }),
    )
    expect(kills).toBeGreaterThan(25)
    expect(made.length / calls.length).toBeGreaterThanOrEqual(LEAST_SUCCESS)
  })
})
