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
  isKept: false,
  bestExits: [],
  candidates: 0,
  able: 0,
  excluded: [],
}
const asked: [StreamPurpose, RuleWish][] = []
let isAsker: (appKey: string) => boolean = () => false
const connector = {
  explainRoute: (target: StreamPurpose, wish: RuleWish, isOne: typeof isAsker) => {
    asked.push([target, wish])
    isAsker = isOne
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
    ['/usr/bin/curl', ['1000 path:/usr/bin/curl', '0 path:/usr/bin/curl']],
    ['/usr/bin/curl,user:1000', ['1000 path:/usr/bin/curl']],
    ['/usr/bin/python3,script:/home/ann/my tool.py', ['1000 path:/usr/bin/python3 /home/ann/my\\x20tool.py']],
    ['tag:snap:mail', ['1000 snap:mail']],
    ['/usr/bin/curl,container:docker:ab', ['1000 docker:ab /usr/bin/curl']],
    ['?', ['']],
    ['unit:ssh.service', []],
  ])('is of the app that it names: %s', (app, expected) => {
    const keys = ['1000 path:/usr/bin/curl', '0 path:/usr/bin/curl', '1000 path:/usr/bin/python3', '1000 snap:mail', '']
    keys.push('1000 path:/usr/bin/python3 /home/ann/my\\x20tool.py', '1000 docker:ab /usr/bin/curl', 'guest 10.0.3.7')
    explainPath({ destination: 'example.com:443', app }, rules, connector)
    expect(keys.filter(isAsker)).toEqual(expected)
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
