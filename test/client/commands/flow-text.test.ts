import { describe, expect, test } from '@jest/globals'
import { parseFlow } from '../../../client/commands/flow-text.ts'
import { faultOf } from '../../support/fault-of.ts'
import { ip } from '../../support/geo-fixtures.ts'

const mistake = (app: string, destination: string): unknown =>
  faultOf(() => parseFlow(app, destination, 'out')).details.mistakes

describe('a flow on a command line', () => {
  test.each([
    ['example.com:443', { protocol: 'tcp', name: 'example.com', nameGiven: true, port: 443, scope: 'public' }],
    ['Example.COM.:443', { name: 'example.com' }],
    ['1.2.3.4:53/udp', { protocol: 'udp', address: ip('1.2.3.4'), port: 53, scope: 'public' }],
    ['[2001:db8::1]:80/TCP', { protocol: 'tcp', address: ip('2001:db8::1'), port: 80, scope: 'reserved' }],
    ['192.168.1.1/icmp', { protocol: 'icmp', address: ip('192.168.1.1'), port: 0, scope: 'private' }],
    ['::1/other', { protocol: 'other', address: ip('::1'), port: 0, scope: 'loopback' }],
  ])('goes to %s', (text, facts) => {
    expect(parseFlow('?', text, 'out')).toMatchObject({ direction: 'out', ...facts })
  })

  test.each([
    ['?', undefined],
    ['/usr/bin/curl', { path: '/usr/bin/curl' }],
    ['/a, b,user:1000', { path: '/a, b', uid: 1000 }],
    ['user:alice,unit:a.service', { user: 'alice', unit: 'a.service' }],
    ['container:ab,tag:snap:firefox,script:/x.py', { container: 'ab', tag: 'snap:firefox', script: '/x.py' }],
  ])('is of %s', (text, app) => {
    const facts = parseFlow(text, 'a.b:1', 'in')
    expect([facts.direction, facts.app]).toEqual(['in', app])
  })

  test('may be forwarded', () => {
    expect(parseFlow('interface:docker0', 'a.b:1', 'out')).toMatchObject({
      direction: 'forwarded',
      interface: 'docker0',
    })
  })

  test.each([
    ['curl', 'a.b:1', 'APP: "curl" says not which; write a whole path like /usr/bin/curl, user:1000, unit:NAME or ?'],
    ['pid:5', 'a.b:1', 'APP: "pid:5" says not which; write a whole path like /usr/bin/curl, user:1000, unit:NAME or ?'],
    ['?', 'a.b', 'DEST: "a.b" has no port; write it like example.com:443 or [2001:db8::1]:443'],
    ['?', 'a.b:0', 'DEST: "a.b:0" has no port; write it like example.com:443 or [2001:db8::1]:443'],
    ['?', 'a.b:65536', 'DEST: "a.b:65536" has no port; write it like example.com:443 or [2001:db8::1]:443'],
    ['?', '2001:db8::1:443', 'DEST: "2001:db8::1:443" has no port; write it like example.com:443 or [2001:db8::1]:443'],
    ['?', 'a..b:1', 'DEST: "a..b" is neither a name nor an address; write it like example.com:443'],
    ['?', 'a.b:1/sctp', 'DEST: "a.b:1/sctp" has no known protocol; write tcp, udp, icmp, other behind the slash'],
    ['?', 'a.b:1/tcp/udp', 'DEST: "a.b:1/tcp/udp" has no known protocol; write tcp, udp, icmp, other behind the slash'],
  ])('has mistakes: %s %s', (app, destination, message) => {
    expect(mistake(app, destination)).toBe(message)
  })
})
