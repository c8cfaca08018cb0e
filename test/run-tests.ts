/**
 * The test command: unit tests on all cores, then the tests that use the whole machine one after the other.
 * Arguments are handed to jest (a pattern, `-t NAME`, ...). Ends with one line `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { worldCommand } from './world/support.ts'

interface JestResult {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numRuntimeErrorTestSuites: number
}

const ALONE = 'test/(e2e|world|chaos|attack/computer)/'
const RUNS = [
  { flags: [`--testPathIgnorePatterns=${ALONE}`, '--maxWorkers=2'], inWorld: false },
  { flags: ['--testPathIgnorePatterns=test/(?!(e2e|world|chaos|attack/computer)/)', '--runInBand'], inWorld: true },
]

const folder = mkdtempSync(join(tmpdir(), 'spn-tests-'))
const totals = { passed: 0, failed: 0, skipped: 0 }
for (const [i, { flags, inWorld }] of RUNS.entries()) {
  const outputFile = join(folder, `${i}.json`)
  const jest = ['node_modules/jest/bin/jest.js', '-c', 'test/jest.config.mjs', '--passWithNoTests']
  const args = ['--experimental-vm-modules', '--no-warnings', ...jest, '--json', `--outputFile=${outputFile}`, ...flags]
  const all = [...args, ...process.argv.slice(2)]
  // An ordinary user makes worlds within a user namespace, where the system allows that.
  const inside = inWorld ? worldCommand(process.execPath, all) : undefined
  const [program, ...words] = inside ?? [process.execPath, ...all]
  const run = spawnSync(program, words, { stdio: ['ignore', 'ignore', 'inherit'] })
  const result = readResult(outputFile)
  totals.passed += result?.numPassedTests ?? 0
  totals.skipped += result?.numPendingTests ?? 0
  totals.failed += (result?.numFailedTests ?? 0) + (result?.numRuntimeErrorTestSuites ?? 0)
  if (run.status !== 0 && (result === undefined || totals.failed === 0)) totals.failed++
}
rmSync(folder, { recursive: true })

const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`)
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1

function readResult(file: string): JestResult | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as JestResult
  } catch {
    return undefined
  }
}
