import { SimRandom } from '../sim-random.ts'
import type { World } from './world.ts'

/** Which hubs the map of one day holds. */
export interface Today {
  /** 1 at the number of a hub that is there. */
  readonly isPresent: Uint8Array
  readonly numbers: readonly number[]
}

/** What each day's map holds: hubs are away for a day now and then, and some end for good. */
export function presence({ seed, hubs }: World, days: number): Today[] {
  const random = new SimRandom(`presence ${seed}`)
  return Array.from({ length: days }, (_, day) => {
    const isPresent = Uint8Array.from(hubs, ({ awayShare, leavesOnDay }) => {
      const isAway = random.unit() < awayShare
      return day < leavesOnDay && !isAway ? 1 : 0
    })
    return { isPresent, numbers: [...isPresent.keys()].filter((number) => isPresent[number] === 1) }
  })
}
