import { describe, expect, test } from '@jest/globals'
import { explainPath, routeAnswerText } from '../../../client/commands/route-command.ts'
import type { RuleWish } from '../../../client/navigator/wish.ts'
import { noRules } from '../../../client/rules/rule-set.ts'
import type { StreamPurpose } from '../../../shared/cell/purpose.ts'
import { NOWHERE } from '../../../shared/geo/locator.ts'
import { faultOf } from '../../support/fault-of.ts'

const rules = noRules(NOWHERE)
const route = {
  path: [],
  cost: { links: [], tolls: [], exit: undefined, total: 0 },
  bestExits: [],
  candidates: 0,
  able: 0,
  excluded: [],
}
const asked: [StreamPurpose, RuleWish][] = []
const connector = {
  explainRoute: (target: StreamPurpose, wish: RuleWish) => {
    asked.push([target, wish])
    return route
  },
}

describe('spn route', () => {
  test('asks for the path of a name or an address, as the rules have it', () => {
    for (const destination of ['example.com:443', '93.184.216.34:80']) explainPath({ destination }, rules, connector)
    expect(asked.map(([target]) => target)).toEqual([
      { kind: 'name', name: 'example.com', port: 443 },
      { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 80 },
    ])
    expect(routeAnswerText(explainPath({ destination: 'example.com:443' }, rules, connector))).toMatch(
      /^tunnel: .*\npath: /,
    )
  })

  test.each([
    [{ destination: 'example.com' }],
    [{}],
    [{ destination: 'example.com:443', app: 'curl' }],
    [{ destination: '192.0.2.1:53/udp' }],
  ])('refuses what is no app or destination: %j', (request) => {
    expect(faultOf(() => explainPath(request, rules, connector)).code).toBe('options-invalid')
  })
})
