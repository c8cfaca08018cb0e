import { afterEach, expect, test } from '@jest/globals'
import { mustRun, runCommand } from './command.ts'
import { HostProcess } from './host-process.ts'

const started: HostProcess[] = []
afterEach(() => Promise.all(started.splice(0).map((running) => running.stop(100))))

function shell(script: string): HostProcess {
  const running = new HostProcess('sh', ['-c', script], {}, 'a shell')
  started.push(running)
  return running
}

test('a line is found whether it comes before or after somebody waits for it', async () => {
  const running = shell('echo one; read word; echo "two $word" >&2; sleep 60')
  expect((await running.line(/one/))[0]).toBe('one')
  const later = running.line(/two (\w+)/)
  running.stdin.write('words\n')
  expect((await later)[1]).toBe('words')
  expect((await running.line(/^one$/))[0]).toBe('one')
})

test('who waits for a line in vain hears what the process wrote', async () => {
  const ended = shell('echo out of cheese; exit 3')
  await expect(ended.line(/ready/)).rejects.toThrow('a shell ended before it wrote /ready/\nout of cheese')
  expect(await ended.exited).toEqual({ code: 3, signal: null })
  await expect(ended.line(/ready/)).rejects.toThrow('out of cheese')
  await expect(shell('sleep 60').line(/ready/, 10)).rejects.toThrow('did not write /ready/ within 10 ms')
})

test('a process that is stopped ends kindly if it can, by force if it must', async () => {
  const kind = shell('trap "exit 5" TERM; echo ready; while :; do sleep 0.01; done')
  const stubborn = shell('trap "" TERM; echo ready; while :; do sleep 0.01; done')
  await Promise.all([kind.line(/ready/), stubborn.line(/ready/)])
  expect(await kind.stop()).toEqual({ code: 5, signal: null })
  expect(await stubborn.stop(50)).toEqual({ code: null, signal: 'SIGKILL' })
  expect(kind.running).toBe(false)
})

test('a child that holds on to the output does not keep its parent from ending', async () => {
  const running = shell('sleep 60 & echo ready')
  await running.line(/ready/)
  expect(await running.exited).toEqual({ code: 0, signal: null })
})

test('a program that is not there has ended with 127', async () => {
  const missing = new HostProcess('no-such-program', [], {}, 'nothing')
  expect(await missing.exited).toEqual({ code: 127, signal: null })
  await expect(missing.line(/ready/)).rejects.toThrow('ENOENT')
  expect(missing.pid).toBe(-1)
})

test('a program that runs to its end gives all it wrote, and its exit code', async () => {
  expect(await runCommand('sh', ['-c', 'cat; echo oh >&2; exit 4'], { input: 'in' })).toMatchObject({
    code: 4,
    stdout: 'in',
    stderr: 'oh\n',
    bytes: Buffer.from('in'),
  })
  await expect(mustRun('sh', ['-c', 'echo oh >&2; exit 4'])).rejects.toThrow('exit code 4\noh')
  await expect(runCommand('sleep', ['60'], { timeoutMs: 20 })).rejects.toThrow('not done after 20 ms')
  await expect(runCommand('no-such-program', [])).rejects.toThrow('ENOENT')
})
