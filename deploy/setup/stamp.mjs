import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** SHA-256 over the contents of these files, as hexadecimal digits. */
export function hashFiles(root, files, ...more) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(join(root, file)))
  for (const text of more) hash.update(text)
  return hash.digest('hex')
}

/** True if `work` was done before with the same input. */
export function isDone(file, input) {
  return existsSync(file) && readFileSync(file, 'utf8') === input
}

export function markDone(file, input) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, input)
}
