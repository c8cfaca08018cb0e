import { posix } from 'node:path'

/** Programs that run other programs, by the names of their files. */
const INTERPRETER =
  /^(?:python[\d.]*|pypy[\d.]*|node|nodejs|deno|bun|perl[\d.]*|ruby[\d.]*|php[\d.]*|lua[\d.]*|java|bash|dash|sh|zsh|ksh|fish|tclsh[\d.]*|Rscript|guile)$/

/** Options that take the argument behind them. What is not here costs an app its script, and nothing else. */
const WITH_VALUE: Readonly<Record<string, ReadonlySet<string>>> = {
  python: new Set(['-W', '-X', '--check-hash-based-pycs']),
  node: new Set(['-r', '--require', '--import', '--loader', '--env-file', '-C', '--conditions', '--title']),
  perl: new Set(['-I']),
  ruby: new Set(['-I', '-r', '-C']),
  php: new Set(['-c', '-d', '-z']),
  sh: new Set(['-o', '+o', '--rcfile', '--init-file']),
  java: new Set(['-cp', '-classpath', '--class-path', '-p', '--module-path']),
}
/** Options behind which no file comes: the program stands in the argument itself, or is read from elsewhere. */
const INLINE = /^(?:-c|-e|-E|-p|--eval|--print|-s|-)$/
const MODULE = /^-m$/

/** Characters in which a key or a view could be forged, and what was no UTF-8. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/

export function isPlain(text: string): boolean {
  return text.isWellFormed() && !FORBIDDEN.test(text)
}

export function isInterpreter(path: string): boolean {
  return INTERPRETER.test(posix.basename(path))
}

/**
 * The script that an interpreter runs, from its command line (arguments ended by NUL): an absolute path, or `-m NAME`
 * of Python. Undefined if there is none, or it cannot be told. The command line is the process's own to write, so this
 * says what the process claims.
 */
export function scriptOf(path: string, cwd: string, commandLine: string): string | undefined {
  if (!isInterpreter(path) || !commandLine.endsWith('\0')) return undefined
  const words = commandLine.slice(0, -1).split('\0')
  const family = familyOf(posix.basename(path))
  const valued = WITH_VALUE[family]
  for (let at = 1; at < words.length; at++) {
    const word = words[at] as string
    if (family === 'java' && word === '-jar') return absolute(cwd, words[at + 1])
    if (family === 'python' && MODULE.test(word)) return module(words[at + 1])
    if (INLINE.test(word)) return undefined
    if (word === '--') return absolute(cwd, words[at + 1])
    if (valued?.has(word) === true) at++
    else if (!/^[-+]./.test(word)) return family === 'java' ? undefined : absolute(cwd, word)
  }
  return undefined
}

function familyOf(name: string): string {
  if (/^(python|pypy)/.test(name)) return 'python'
  if (/^(bash|dash|sh|zsh|ksh|fish)$/.test(name)) return 'sh'
  return name.replace(/[\d.]+$/, '').replace('nodejs', 'node')
}

function module(name: string | undefined): string | undefined {
  return name !== undefined && name !== '' && isPlain(name) ? `-m ${name}` : undefined
}

function absolute(cwd: string, file: string | undefined): string | undefined {
  if (file === undefined || file === '' || !isPlain(file) || !isPlain(cwd)) return undefined
  if (!file.startsWith('/') && !cwd.startsWith('/')) return undefined
  return posix.resolve(cwd, file)
}
