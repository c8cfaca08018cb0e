/** What directories think of a hub, as bits of one number (SPEC section 11.3). Readers ignore bits that they do not know. */
export const HUB_FLAGS = {
  /** On the lists of most directories as one to trust. */
  trusted: 1,
  /** On the lists of most directories as one to use only where there is no other. */
  discouraged: 2,
} as const

export type HubFlag = keyof typeof HUB_FLAGS

export const MAX_FLAGS = 0xffffffff

export function hasFlag(flags: number, flag: HubFlag): boolean {
  return (flags & HUB_FLAGS[flag]) !== 0
}
