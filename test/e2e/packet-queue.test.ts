import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { TwoHosts, whyNoHosts } from './support/two-hosts.ts'

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the packet queue tests are skipped: ${impossible}`)

const IPV4 = 0x0800
const OUTPUT = 3

describeHosts('the packet queue', () => {
  const hosts = new TwoHosts()

  beforeAll(async () => {
    hosts.start()
    const rule = '-A OUTPUT -o lo -p udp --dport 5000 -j NFQUEUE --queue-num 5'
    await hosts.run('client', 'iptables', rule.split(' '))
  })

  afterAll(() => hosts.close())

  async function scenario(name: string, ...wrapper: string[]): Promise<unknown> {
    const program = [...wrapper, process.execPath, '--no-warnings', 'test/e2e/support/queue-driver.ts', name]
    const { stdout, stderr } = await hosts.run('client', program[0] as string, program.slice(1), { gid: 1_000 })
    expect(stderr).toBe('')
    return JSON.parse(stdout)
  }

  test('holds thousands of whole packets, which get their verdicts in any order', async () => {
    expect(await scenario('reverse')).toEqual({
      received: 4_000,
      whole: true,
      isReverse: true,
      uid: 0,
      gid: 1_000,
      hook: OUTPUT,
      etherType: IPV4,
      packets: 4_000,
      overruns: 0,
      rejectedVerdicts: 1,
    })
  })

  test('tells a queue that is taken from a right that is missing', async () => {
    expect(await scenario('codes')).toEqual({ first: 'open', second: 'EBUSY', other: 'open', third: 'open' })
    const without = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']
    expect(await scenario('codes', ...without)).toMatchObject({ first: 'EPERM', other: 'EPERM' })
  })

  test('survives and counts what the kernel had to throw away', async () => {
    expect(await scenario('overrun')).toEqual({ lost: true, goesOn: true, counted: true })
  })

  test('is free again when its thread ends, however it ends', async () => {
    expect(await scenario('threads')).toEqual({ after: 'open' })
  })

  test('loses no packet while it is opened', async () => {
    expect(await scenario('opening')).toEqual({ gaps: 0, packets: true })
  })

  test('hands the error of a callback to the process', async () => {
    expect(await scenario('throwing')).toEqual({ caught: ['call 1', 'call 2'] })
  })
})
