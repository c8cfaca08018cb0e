import { describe, expect, test } from '@jest/globals'
import { explain, explanationText } from '../../../client/commands/explain.ts'
import { parseFlow } from '../../../client/commands/flow-text.ts'
import { noRules } from '../../../client/rules/rule-set.ts'
import { NOWHERE } from '../../../shared/geo/locator.ts'

const NOTE =
  'note: where the client intercepts, its own resolver answers questions for names, or refuses those that rules forbid'
const text = (destination: string, direction: 'out' | 'in' = 'out'): string =>
  explanationText(explain(noRules(NOWHERE), parseFlow('?', destination, direction)))

describe('an explanation', () => {
  test.each(['9.9.9.9:53/udp', '9.9.9.9:53', 'dns.example:53/tcp'])(
    'says who answers questions for names: %s',
    (to) => {
      expect(text(to).split('\n')).toContain(NOTE)
    },
  )

  test.each(['9.9.9.9:853', '9.9.9.9:5353/udp', '9.9.9.9/icmp'])('says nothing of that elsewhere: %s', (to) => {
    expect(text(to)).not.toContain('questions for names')
  })
})
