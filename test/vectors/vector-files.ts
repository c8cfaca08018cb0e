import { readFileSync } from 'node:fs'
import { answerVectors, cellVectors, createVectors } from './circuit-vectors.ts'
import { diffVectors } from './diff-vectors.ts'
import { canonicalVectors, descriptorVectors, mapVectors, timeVectors } from './document-vectors.ts'
import { handshakeVectors, keyVectors } from './handshake-vectors.ts'
import { layerVectors } from './layer-vectors.ts'
import { frameVectors, messageVectors } from './wire-vectors.ts'

/** Every file of vectors, with what makes its content. All of it comes from the second implementation. */
export const VECTOR_FILES = {
  keys: keyVectors,
  handshake: handshakeVectors,
  create: createVectors,
  answer: answerVectors,
  layers: layerVectors,
  cells: cellVectors,
  messages: messageVectors,
  frames: frameVectors,
  canonical: canonicalVectors,
  descriptor: descriptorVectors,
  'hub-map': mapVectors,
  'map-diff': diffVectors,
  'signed-time': timeVectors,
} as const

export type VectorFile = keyof typeof VECTOR_FILES

export const VECTOR_FOLDER = new URL('./', import.meta.url)

/** What stands in a file where the maker has bytes: hexadecimal digits. */
export type Written<T> = T extends Uint8Array
  ? string
  : T extends readonly unknown[] | object
    ? { readonly [K in keyof T]: Written<T[K]> }
    : T

export type VectorsOf<Name extends VectorFile> = Written<ReturnType<(typeof VECTOR_FILES)[Name]>>

/** The text of a file, as the makers give it now. */
export function vectorText(name: VectorFile): string {
  const text = JSON.stringify(
    VECTOR_FILES[name](),
    (_, value) => (value instanceof Uint8Array ? hexOf(value) : value),
    2,
  )
  return `${text}\n`
}

/** What stands in the file. */
export function readVectors<Name extends VectorFile>(name: Name): VectorsOf<Name> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, VECTOR_FOLDER), 'utf8')) as VectorsOf<Name>
}

function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
