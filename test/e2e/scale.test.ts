import { describe, expect, test } from '@jest/globals'
import type { Figure } from '../scale/scale-run.ts'
import { Program } from '../support/program.ts'
import { describeWorld } from '../world/support.ts'

const HUBS = 200
const FLAGS = ['--hubs', `${HUBS}`, '--arrivals', '50', '--epoch', '5', '--seconds', '0.5']

/** The program that measures ten thousand, with few: its figures of speed mean nothing here and are not looked at. */
describeWorld(describe, 'three replicas of a directory and a crowd of hubs', () => {
  test('every hub is taken, dialled and published, who leaves is gone and who comes is there', async () => {
    const run = new Program('scale', ['node', '--no-warnings', 'test/scale/scale.ts', ...FLAGS])
    try {
      await run.exit(200_000)
      const lines = run.output.split('\n').filter((line) => line.startsWith('{"name":"scale.'))
      const figures = new Map(lines.map((line) => JSON.parse(line) as Figure).map(({ name, value }) => [name, value]))
      const value = (name: string): number => figures.get(`scale.${name}`) ?? Number.NaN
      expect([value('in_map'), run.output]).toEqual([HUBS, expect.any(String)])
      expect(value('links')).toBeGreaterThanOrEqual(HUBS)
      expect(value('churned')).toBe(HUBS / 100)
      expect(value('diff_bytes')).toBeLessThan(value('map_bytes'))
      expect(value('keys_bytes')).toBe(HUBS * 1216)
      for (const replica of ['replica0', 'replica1', 'replica2']) {
        expect(value(`${replica}_not_modified_per_s`)).toBeGreaterThan(0)
        expect(value(`${replica}_diffs_per_s`)).toBeGreaterThan(0)
      }
      expect(value('client_load_s')).toBeGreaterThan(0)
    } finally {
      await run.stop()
    }
  })
})
