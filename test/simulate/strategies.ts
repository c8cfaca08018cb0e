import type { PathStrategy } from './path-strategy.ts'
import { originalStrategy } from './strategies/original.ts'
import { ourStrategy } from './strategies/ours.ts'

const BALANCED = { hops: 3, keepsHomes: true, isDiverse: true }

/** The rules that are compared, in the order in which they are shown. */
export const STRATEGIES: readonly PathStrategy[] = [
  ourStrategy('ours', 'Our rules', BALANCED),
  ourStrategy('no-guards', 'Ours without guards', { ...BALANCED, keepsHomes: false }),
  ourStrategy('no-diversity', 'Ours without diversity', { ...BALANCED, isDiverse: false }),
  originalStrategy,
]
