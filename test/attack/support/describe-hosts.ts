import { describe } from '@jest/globals'

/** `describe` for tests that need hosts of their own; where there can be none they count as skipped, and say why. */
export function describeHosts(name: string, impossible: string | undefined, body: () => void): void {
  if (impossible === undefined) return describe(name, body)
  process.stderr.write(`skipped: ${name}: ${impossible}\n`)
  describe.skip(`${name} (skipped: ${impossible})`, body)
}
