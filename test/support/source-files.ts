import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { ROOT } from './program.ts'

/** A file of the project's source, its path from the root of the repository. */
export interface SourceFile {
  readonly path: string
  readonly text: string
  /** The text without comments; strings stay. */
  readonly code: string
}

const FOLDERS = ['client', 'deploy', 'directory', 'hub', 'shared', 'test']
const PASSED_OVER = new Set(['node_modules', 'build'])

/** All TypeScript and JavaScript of the repository, in the order of the paths. */
export function sourceFiles(): SourceFile[] {
  return FOLDERS.flatMap((folder) => filesIn(join(ROOT, folder)))
    .filter((path) => /\.(ts|mts|mjs|js)$/.test(path))
    .sort()
    .map((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8')
      return { path, text, code: withoutComments(text) }
    })
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (PASSED_OVER.has(entry.name)) return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesIn(path) : [relative(ROOT, path)]
  })
}

/** Good enough for this repository: comments stand on lines of their own, or behind code and two spaces or one. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}
