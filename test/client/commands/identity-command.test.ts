import { expect, test } from '@jest/globals'
import { newIdentity } from '../../../client/commands/identity-command.ts'
import type { IdentityScope } from '../../../client/navigator/sticky-exits.ts'

test.each<[Record<string, unknown>, IdentityScope]>([
  [{ command: 'identity' }, {}],
  [{ app: '1000 path:/usr/bin/curl' }, { app: '1000 path:/usr/bin/curl' }],
  [{ site: 'www.Example.co.uk' }, { site: 'example.co.uk' }],
  [
    { app: 'a', site: 'example.com.' },
    { app: 'a', site: 'example.com' },
  ],
  [{ site: '93.184.216.34' }, { site: '93.184.216.34' }],
  [{ site: '2606:2800:0220::1' }, { site: '2606:2800:220::1' }],
  [{ app: 7, site: null }, {}],
])('a new identity that is asked for as %j is one for %j', (request, scope) => {
  const asked: (IdentityScope | undefined)[] = []
  expect(newIdentity(request, { newIdentity: (one) => void asked.push(one) })).toEqual(scope)
  expect(asked).toEqual([scope])
})
