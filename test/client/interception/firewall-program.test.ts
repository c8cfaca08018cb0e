import { describe, expect, test } from '@jest/globals'
import { callFirewall } from '../../../client/interception/firewall-program.ts'
import { checkOwnTraffic } from '../../../client/interception/own-traffic.ts'

describe('a program of the firewall', () => {
  test('is given its input and gives its output', async () => {
    expect(await callFirewall('cat', [], '*filter\nCOMMIT\n')).toBe('*filter\nCOMMIT\n')
  })

  test.each<[string, string, string[], object]>([
    ['that is not there', 'spn-no-such-program', [], { code: 'program-missing' }],
    [
      'that lacks the right',
      'sh',
      ['-c', 'echo "iptables-restore v1.8.9: Permission denied (you must be root)" >&2; exit 4'],
      { code: 'capability-missing', details: { capability: 'CAP_NET_ADMIN', program: 'sh' } },
    ],
    [
      'that fails',
      'sh',
      ['-c', 'echo "line 3 failed" >&2; echo more >&2; exit 2'],
      { code: 'firewall-failed', details: { program: 'sh', exit: 2, message: 'line 3 failed' } },
    ],
    ['that ends before it has read its input', 'sh', ['-c', 'exit 1'], { code: 'firewall-failed' }],
  ])('%s is a fault that says so', async (_what, program, args, fault) => {
    await expect(callFirewall(program, args, 'x'.repeat(1_000_000))).rejects.toMatchObject(fault)
  })
})

describe('a client', () => {
  test('that is not what its rules take for the client does not start', () => {
    expect(() => checkOwnTraffic({ gid: (process.getegid?.() ?? 0) + 1 })).toThrow('must be started with group')
    expect(() => checkOwnTraffic({ cgroup: 'no/such.service' })).toThrow('must be started in cgroup')
  })

  test('in its own group starts', () => {
    expect(() => checkOwnTraffic({ gid: process.getegid?.() ?? 0 })).not.toThrow()
  })
})
