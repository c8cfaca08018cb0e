import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { commandEnv } from '../world/command.ts'

/** Runs a script of the tests in a process like the client's, with the same settings of memory. @returns what it prints */
export function runAsClient(script: string, words: readonly string[]): string {
  const program = readFileSync(new URL('../../deploy/bin/spn', import.meta.url), 'utf8')
  const [, arenas] = /MALLOC_ARENA_MAX:-(\d+)/.exec(program) ?? []
  const [, flags] = /^exec "\$node" (.*) "\$root\/client\/main\.ts"/m.exec(program) ?? []
  if (arenas === undefined || flags === undefined) throw new Error('deploy/bin/spn starts the client in another way')
  const env = commandEnv({ MALLOC_ARENA_MAX: arenas })
  return execFileSync(process.execPath, [...flags.split(' '), script, ...words], { encoding: 'utf8', env })
}
