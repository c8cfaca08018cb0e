import { expect, test } from '@jest/globals'
import { siteOf } from '../../../client/navigator/site.ts'

test.each([
  ['example.com', 'example.com'],
  ['www.example.com', 'example.com'],
  ['a.b.c.Example.COM.', 'example.com'],
  ['www.example.co.uk', 'example.co.uk'],
  ['example.co.uk', 'example.co.uk'],
  ['t.co', 't.co'],
  ['www.t.co', 'www.t.co'],
  ['localhost', 'localhost'],
  ['', ''],
])('%s is of the site %s', (name, site) => {
  expect(siteOf(name)).toBe(site)
})
