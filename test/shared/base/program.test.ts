import { describe, expect, test } from '@jest/globals'
import { Fault } from '../../../shared/base/fault.ts'
import { describeFailure } from '../../../shared/base/program.ts'
import { Program } from '../../support/program.ts'

describe('what is printed of a failure', () => {
  test('is one sentence with its facts, without a stack', () => {
    const fault = new Fault('port-in-use', { address: '127.0.0.1 port 443' }, new Error('below'))
    expect(describeFailure('spn-hub', fault)).toBe(
      'spn-hub: the address is already in use (address: 127.0.0.1 port 443)',
    )
    expect(describeFailure('spn', new Fault('cancelled'))).toBe('spn: the operation was cancelled')
  })

  test('has every mistake of a configuration on a line of its own', () => {
    const fault = new Fault('options-invalid', { file: 'hub.json', mistakes: 'listen: expected\nname: expected' })
    expect(describeFailure('spn-hub', fault)).toBe(
      'spn-hub: the configuration is not valid (file: hub.json)\n  listen: expected\n  name: expected',
    )
  })

  test('says where a bug happened, also where it is a fault itself', () => {
    const error = new TypeError('x is not a function')
    for (const bug of [error, new Fault('internal', {}, error), new Fault('internal')]) {
      const lines = describeFailure('spn', bug).split('\n')
      expect(lines[0]).toBe('spn: an unexpected error, which is a bug')
      expect(lines[1]).toMatch(/^ {2}(TypeError|Fault \(internal\))$/)
      expect(lines[2]).toMatch(/^\s+at .*program\.test\.ts/)
    }
  })

  test('never holds what an unexpected error says: that may be where an app connects to', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED 93.184.216.34:443\nfor shop.example'), {
      code: 'ECONNREFUSED',
    })
    for (const failure of [error, new Fault('internal', {}, error)]) {
      const text = describeFailure('spn-hub', failure)
      expect(text).toContain('\n  Error (ECONNREFUSED)\n')
      expect(text).not.toMatch(/93\.184|shop\.example/)
    }
  })

  test('is something for things that are no errors', () => {
    expect(describeFailure('spn', 'text')).toMatch(/^spn: an unexpected error, which is a bug\n/)
    expect(describeFailure('spn', undefined)).toMatch(/^spn: an unexpected error, which is a bug\n/)
  })
})

describe('a program', () => {
  const start = (body: string): Program => {
    const code = `
      import { runProgram } from './shared/base/program.ts'
      import { Fault } from './shared/base/fault.ts'
      await runProgram('spn-test', async () => { ${body} })`
    return new Program('spn-test', ['node', '--no-warnings', '--input-type=module', '--eval', code])
  }
  const RUNS = `return {
      start: async () => { setInterval(() => {}, 1_000); setImmediate(() => console.log('up')) },
      close: async () => console.log('closed'),
    }`

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('is closed by %s and ends with status 0', async (signal) => {
    const program = start(RUNS)
    await program.line('up')
    program.child.kill(signal)
    await program.line('closed')
    expect(await program.exit()).toBe(0)
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('is closed by %s also while it starts', async (signal) => {
    const program = start(`return {
      start: () => { setInterval(() => {}, 1_000); console.log('starting'); return new Promise(() => {}) },
      close: async () => console.log('closed'),
    }`)
    await program.line('starting')
    program.child.kill(signal)
    await program.line('closed')
    expect(await program.exit()).toBe(0)
  })

  test('that is told to stop before it starts does not start, and says so', async () => {
    const program = start(`setInterval(() => {}, 1_000); console.log('making'); await new Promise(() => {})`)
    await program.line('making')
    program.child.kill('SIGTERM')
    await program.line('spn-test: the operation was cancelled')
    expect(await program.exit()).toBe(1)
  })

  /** A program that is closing, which does this then, and closes until it is told by SIGUSR2 that it has. */
  async function closing(meanwhile = ''): Promise<Program> {
    const program = start(`return {
      start: async () => { setInterval(() => {}, 1_000); setImmediate(() => console.log('up')) },
      close: () => {
        ${meanwhile}
        return new Promise((resolve) => {
          process.once('SIGUSR2', resolve)
          console.log('closing')
        })
      },
    }`)
    await program.line('up')
    program.child.kill('SIGINT')
    await program.line('closing')
    return program
  }
  const halfASecond = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 550))

  test('that closes is not hurried by the same signal again, and says that it closes', async () => {
    const program = await closing(`process.kill(process.pid, 'SIGINT')`)
    await halfASecond()
    program.child.kill('SIGTERM')
    await program.line('spn-test: it is closing; the next signal ends it as it is')
    program.child.kill('SIGUSR2')
    expect(await program.exit()).toBe(0)
  })

  test('that closes is ended by the third signal, which is said', async () => {
    const program = await closing()
    await halfASecond()
    program.child.kill('SIGINT')
    await program.line('spn-test: it is closing; the next signal ends it as it is')
    await halfASecond()
    program.child.kill('SIGINT')
    await program.line('spn-test: ended before it was closed')
    expect(await program.exit()).toBe(1)
  })

  test.each([
    [
      'a wrong configuration',
      `throw new Fault('options-invalid', { mistakes: 'name: expected' })`,
      2,
      'name: expected',
    ],
    ['another failure', `throw new Fault('port-in-use', { address: 'x' })`, 1, 'already in use (address: x)'],
    ['a bug while it runs', `setTimeout(() => { throw new Error('oops') }); ${RUNS}`, 1, 'a bug\n  Error\n'],
    ['a promise that nobody waits for', `Promise.reject(new Error('oops')); ${RUNS}`, 1, 'a bug\n  Error\n'],
  ])('ends by itself after %s, and says why', async (_, body, status, text) => {
    const program = start(body)
    expect(await program.exit()).toBe(status)
    expect(program.output).toContain('spn-test: ')
    expect(program.output).toContain(text)
  })

  test('that has nothing to run ends with status 0', async () => {
    expect(await start('return undefined').exit()).toBe(0)
  })
})
