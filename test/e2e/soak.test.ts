import { expect, test } from '@jest/globals'
import { Program } from '../support/program.ts'

const BYTES = 3_000_000

/** The soak run itself, with few bytes: circuits over noise links from one hop to four, and one over TLS. */
test.each([
  ['noise', [1, 2, 3, 4]],
  ['tls', [2]],
] as const)(
  'circuits over %s links of so many hops carry bytes both ways unharmed and keep half close: %j',
  async (transport, hops) => {
    const flags = ['--bytes', `${BYTES}`, '--transport', transport, '--hops', hops.join()]
    const soak = new Program('soak', ['node', '--no-warnings', 'test/soak/soak.ts', ...flags])
    try {
      expect([await soak.exit(280_000), soak.output]).toEqual([0, expect.any(String)])
      const lines = soak.output.split('\n').filter((line) => line !== '')
      const results = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
      expect(results).toEqual(
        hops.map((count) => ({ hops: count, transport, bytes: BYTES, 'MB/s': expect.any(Number), ok: true })),
      )
    } finally {
      await soak.stop(30_000)
    }
  },
)

test('a soak run that is asked for what there is not fails', async () => {
  const soak = new Program('soak', ['node', '--no-warnings', 'test/soak/soak.ts', '--hops', '5'])
  expect(await soak.exit()).not.toBe(0)
})
