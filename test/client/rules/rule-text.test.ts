import { describe, expect, test } from '@jest/globals'
import { parseRuleText, type RuleKind } from '../../../client/rules/rule-text.ts'

const mistake = (text: string, kind: RuleKind = 'out'): string =>
  (parseRuleText(text, kind) as { mistake: string }).mistake

const ANY = { wish: {}, to: [{ kind: 'any' }], protocols: undefined, ports: undefined }

describe('a rule in one line', () => {
  test.each([
    ['+ *', 'out', { verdict: 'tunnel' }],
    ['tunnel *', 'out', { verdict: 'tunnel' }],
    ['- *', 'out', { verdict: 'block' }],
    ['block *', 'out', { verdict: 'block' }],
    ['drop *', 'out', { verdict: 'drop' }],
    ['direct *', 'out', { verdict: 'direct' }],
    ['+ *', 'in', { verdict: 'direct' }],
    ['allow *', 'in', { verdict: 'direct' }],
    ['- *', 'in', { verdict: 'block' }],
    ['drop *', 'in', { verdict: 'drop' }],
    ['+ * TCP', 'out', { verdict: 'tunnel', protocols: ['tcp'] }],
    ['+ * udp', 'out', { verdict: 'tunnel', protocols: ['udp'] }],
    ['+ * ICMP', 'out', { verdict: 'tunnel', protocols: ['icmp'] }],
    ['+ * other', 'out', { verdict: 'tunnel', protocols: ['other'] }],
    ['+ * *', 'out', { verdict: 'tunnel' }],
    ['- * TCP/443', 'out', { verdict: 'block', protocols: ['tcp'], ports: [{ from: 443, to: 443 }] }],
    ['- * UDP/1-65535', 'out', { verdict: 'block', protocols: ['udp'], ports: [{ from: 1, to: 65_535 }] }],
    ['- * */53', 'out', { verdict: 'block', ports: [{ from: 53, to: 53 }] }],
    ['  -\t*   TCP/80-90   # the web', 'out', { verdict: 'block', protocols: ['tcp'], ports: [{ from: 80, to: 90 }] }],
  ] as const)('%j (%s)', (text, kind, rule) => {
    expect(parseRuleText(text, kind)).toMatchObject({ ...ANY, ...rule })
  })

  test('keeps its text without blanks around it and without its comment', () => {
    expect(parseRuleText('  + .example.com TCP/443 # mine', 'out')).toMatchObject({ text: '+ .example.com TCP/443' })
    expect(parseRuleText('+ .example.com', 'out')).toMatchObject({ to: [{ kind: 'name', name: 'example.com' }] })
  })

  const FIRST = 'begin with + (tunnel), - (block) or one of tunnel, direct, block, drop'
  test.each<[string, RuleKind, string]>([
    ['.example.com', 'out', `".example.com" says not what to do; ${FIRST}`],
    ['* ', 'out', `"*" says not what to do; ${FIRST}`],
    ['', 'out', `"" says not what to do; ${FIRST}`],
    ['allow *', 'out', `"allow *" says not what to do; ${FIRST}`],
    ['tunnel *', 'in', '"tunnel *" says not what to do; begin with + (let in), - (block) or one of allow, block, drop'],
    ['+.example.com', 'out', '"+.example.com" says not what to do; write a blank behind +'],
    ['-AS123', 'out', '"-AS123" says not what to do; write a blank behind -'],
    ['+', 'out', '"+" says not where; write + * for everywhere'],
    ['direct # all', 'out', '"direct" says not where; write direct * for everywhere'],
    ['+ * TCP UDP', 'out', '"UDP" is too much; write one rule to a line'],
    ['+ C:UK', 'out', 'there is no country "UK"; write C:GB'],
    ['+ * HTTP', 'out', '"HTTP" is no protocol; write TCP, UDP, ICMP, OTHER or *'],
    ['+ * 443', 'out', '"443" is no protocol; write it behind a protocol, like TCP/443'],
    ['+ * 80-90', 'out', '"80-90" is no protocol; write it behind a protocol, like TCP/80-90'],
    ['+ * TCP/', 'out', '"" is no port; write 1 to 65535, or a range like 6000-6100'],
    ['+ * TCP/0', 'out', '"0" is no port; write 1 to 65535, or a range like 6000-6100'],
    ['+ * TCP/65536', 'out', '"65536" is no port; write 1 to 65535, or a range like 6000-6100'],
    ['+ * TCP/1-65536', 'out', '"1-65536" is no port; write 1 to 65535, or a range like 6000-6100'],
    ['+ * TCP/http', 'out', '"http" is no port; write 1 to 65535, or a range like 6000-6100'],
    ['+ * TCP/90-80', 'out', '"90-80" is no range of ports; write 80-90'],
    ['+ * TCP/80/90', 'out', '"TCP/80/90" is no protocol and port; write it like TCP/443'],
    ['+ * ICMP/8', 'out', 'ICMP has no ports; write ICMP alone'],
    ['+ * OTHER/8', 'out', 'OTHER has no ports; write OTHER alone'],
  ])('%j (%s) is a mistake', (text, kind, message) => {
    expect(mistake(text, kind)).toBe(message)
  })
})
