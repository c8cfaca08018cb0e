import { readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ECHO_BURST } from '../../hub/exit-echo.ts'
import { TwoHosts, whyNoHosts } from './support/two-hosts.ts'

const impossible = whyNoHosts()
const describeHosts = impossible === undefined ? describe : describe.skip
if (impossible !== undefined) console.warn(`the tests of echo are skipped: ${impossible}`)

describeHosts('ping through circuits of three hops', () => {
  const hosts = new TwoHosts()
  let result: Record<string, unknown>

  beforeAll(async () => {
    hosts.start()
    const outside = readlinkSync('/proc/self/ns/net')
    const driver = fileURLToPath(new URL('support/echo-driver.ts', import.meta.url))
    const { stdout, stderr } = await hosts.run('client', process.execPath, ['--no-warnings', driver, outside])
    const line = stdout.split('\n').find((one) => one.startsWith('{'))
    if (line === undefined) throw new Error(stderr)
    result = JSON.parse(line)
  })

  afterAll(() => hosts.close())

  test.each(['four', 'six'])('brings the answers by number, with their bytes: %s', (family) => {
    expect(result[family]).toEqual(['1 ping 1', '2 ping 2', '65535 ping 65535'])
  })

  test('is refused with a reason where the system gives the exit no right', () => {
    expect(result.without).toEqual(['kind-refused'])
  })

  test('is refused to addresses that the exit may not reach', () => {
    expect(result.forbidden).toEqual(['policy-refused'])
  })

  test('is no flood', () => {
    expect(result.ofFlood).toBeGreaterThanOrEqual(ECHO_BURST)
    expect(result.ofFlood).toBeLessThan(2 * ECHO_BURST)
  })
})
