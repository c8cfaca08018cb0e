/** Writes the test vectors: `npm run vectors`. The same bytes every time. */
import { writeFileSync } from 'node:fs'
import { VECTOR_FILES, VECTOR_FOLDER, type VectorFile, vectorText } from './vector-files.ts'

for (const name of Object.keys(VECTOR_FILES) as VectorFile[]) {
  writeFileSync(new URL(`${name}.json`, VECTOR_FOLDER), vectorText(name))
}
