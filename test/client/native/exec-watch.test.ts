import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, realpathSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, test } from '@jest/globals'
import { type ExecWatch, loadNative } from '../../../client/native/native.ts'
import { until } from '../../support/until.ts'

const CAT = realpathSync('/bin/cat')

function open(options: { maxPrograms: number; keepMs: number }): ExecWatch | string {
  try {
    return new (loadNative().ExecWatch)(options)
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'no code'
  }
}

const tried = open({ maxPrograms: 1, keepMs: 1 })
if (typeof tried !== 'string') tried.close()
const describeWatch = typeof tried === 'string' ? describe.skip : describe
if (typeof tried === 'string') console.warn(`tests of programs that ended are skipped: ${tried}`)

const startTimeOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ')[19] ?? ''

describeWatch('programs that ended', () => {
  const watches: ExecWatch[] = []
  const programs: ChildProcess[] = []

  afterEach(() => {
    for (const watch of watches.splice(0)) watch.close()
    for (const program of programs.splice(0)) program.kill('SIGKILL')
  })

  function watching(maxPrograms: number, keepMs: number): ExecWatch {
    const watch = open({ maxPrograms, keepMs })
    if (typeof watch === 'string') throw new Error(watch)
    watches.push(watch)
    return watch
  }

  /** A program that lives until its input ends. */
  async function start() {
    const child = spawn(CAT, ['-u'], { stdio: ['pipe', 'pipe', 'inherit'] })
    programs.push(child)
    child.stdin.write('x')
    await once(child.stdout, 'data')
    const pid = child.pid ?? 0
    const end = async () => {
      child.stdin.end()
      await once(child, 'exit')
    }
    return { pid, startTime: startTimeOf(pid), end }
  }

  test('are known by pid and time for a while, and to nobody by their pid alone', async () => {
    const watch = watching(4_096, 60_000)
    const { pid, startTime, end } = await start()
    await until(() => watch.find(pid, startTime) !== undefined)
    await end()
    expect(watch.find(pid, startTime)).toMatchObject({ exe: CAT, commandLine: `${CAT}\0-u\0`, isElsewhere: false })
    expect(watch.find(pid, `${Number(startTime) + 1}`)).toBeUndefined()
    watch.close()
    watch.close()
  })

  test('are forgotten after that', async () => {
    const watch = watching(4_096, 50)
    const { pid, startTime, end } = await start()
    await until(() => watch.find(pid, startTime) !== undefined)
    await setTimeout(100)
    expect(watch.find(pid, startTime)).toBeDefined()
    await end()
    await until(() => watch.find(pid, startTime) === undefined)
  })

  test('are no more than there is room for', async () => {
    const watch = watching(0, 60_000)
    const other = watching(4_096, 60_000)
    const { pid, startTime } = await start()
    await until(() => other.find(pid, startTime) !== undefined)
    await setTimeout(20)
    expect(watch.find(pid, startTime)).toBeUndefined()
  })
})
