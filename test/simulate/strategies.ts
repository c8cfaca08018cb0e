import type { PathStrategy } from './path-strategy.ts'
import { originalStrategy } from './strategies/original.ts'
import { presentStrategy } from './strategies/present.ts'

/** The rules that are compared, in the order in which they are shown. */
export const STRATEGIES: readonly PathStrategy[] = [
  presentStrategy('ours', 'Our rules', { keepsHomes: true, isDiverse: true }),
  presentStrategy('no-guards', 'Ours without guards', { keepsHomes: false, isDiverse: true }),
  presentStrategy('no-diversity', 'Ours without diversity', { keepsHomes: true, isDiverse: false }),
  originalStrategy,
]
