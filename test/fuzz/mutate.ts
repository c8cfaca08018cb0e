import { concatBytes } from '../../shared/base/bytes.ts'
import type { Random } from '../../shared/base/random.ts'
import { chooseOne } from '../../shared/base/random.ts'

/** What mutations draw from. */
export interface MutationSource {
  /** Inputs to take pieces of. */
  readonly corpus: readonly Uint8Array[]
  readonly words: readonly Uint8Array[]
  readonly maxBytes: number
}

type Mutation = (input: Uint8Array, random: Random, source: MutationSource) => Uint8Array

const MAX_STACKED = 6
const EDGES = [0, 1, 2, 3, 4, 8, 16, 32, 63, 64, 127, 128, 129, 253, 254, 255]
const WIDE_EDGES = [0, 1, 0xff, 0x100, 0x1ff, 0x3ff8, 0x3ff9, 0x7fff, 0x8000, 0xfffe, 0xffff]

/** A changed copy of `input`: a few of the mutations below, one after the other. */
export function mutate(input: Uint8Array, random: Random, source: MutationSource): Uint8Array {
  let result: Uint8Array = input.slice()
  const count = 1 + random.below(random.below(MAX_STACKED) + 1)
  for (let i = 0; i < count; i++) result = (chooseOne(MUTATIONS, random) as Mutation)(result, random, source)
  return result.length > source.maxBytes ? result.slice(0, source.maxBytes) : result
}

const MUTATIONS: readonly Mutation[] = [
  (input, random) => withByte(input, random, (byte) => byte ^ (1 << random.below(8))),
  (input, random) => withByte(input, random, () => random.below(256)),
  (input, random) => withByte(input, random, () => chooseOne(EDGES, random) as number),
  (input, random) => withByte(input, random, (byte) => byte + 1 + random.below(8)),
  (input, random) => withByte(input, random, (byte) => byte - 1 - random.below(8)),
  function wide(input, random) {
    if (input.length < 2) return input
    const value = random.below(3) === 0 ? random.below(0x1_0000) : (chooseOne(WIDE_EDGES, random) as number)
    const bytes = random.below(2) === 0 || input.length < 4 ? [value >> 8, value] : [0, 0, value >> 8, value]
    input.set(bytes, random.below(input.length - bytes.length + 1))
    return input
  },
  function remove(input, random) {
    const { from, to } = piece(input, random)
    return concatBytes(input.subarray(0, from), input.subarray(to))
  },
  function repeat(input, random) {
    const { from, to } = piece(input, random)
    return concatBytes(input.subarray(0, to), input.subarray(from))
  },
  function move(input, random) {
    const { from, to } = piece(input, random)
    const left = concatBytes(input.subarray(0, from), input.subarray(to))
    return insert(left, input.subarray(from, to), random)
  },
  (input, random) => insert(input, random.bytes(1 + random.below(8)), random),
  (input, random) => insert(input, new Uint8Array(1 + random.below(32)).fill(random.below(256)), random),
  (input, random, { words }) => insert(input, chooseOne(words, random) ?? Uint8Array.of(0), random),
  (input, random, { words }) => overwrite(input, chooseOne(words, random) ?? Uint8Array.of(0xff), random),
  (input, random) => input.slice(0, random.below(input.length + 1)),
  function splice(input, random, { corpus }) {
    const other = chooseOne(corpus, random) ?? input
    return concatBytes(
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    )
  },
  function borrow(input, random, { corpus }) {
    const other = chooseOne(corpus, random) ?? input
    const { from, to } = piece(other, random)
    return insert(input, other.subarray(from, to), random)
  },
]

function withByte(input: Uint8Array, random: Random, change: (byte: number) => number): Uint8Array {
  if (input.length === 0) return Uint8Array.of(random.below(256))
  const at = random.below(input.length)
  input[at] = change(input[at] as number)
  return input
}

/** A part of the input, short ones more often. */
function piece(input: Uint8Array, random: Random): { from: number; to: number } {
  const from = random.below(input.length + 1)
  const most = input.length - from
  const length = random.below(2) === 0 ? random.below(Math.min(most, 16) + 1) : random.below(most + 1)
  return { from, to: from + length }
}

function insert(input: Uint8Array, bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(input.length + 1)
  return concatBytes(input.subarray(0, at), bytes, input.subarray(at))
}

function overwrite(input: Uint8Array, bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(input.length + 1)
  return concatBytes(input.subarray(0, at), bytes, input.subarray(at + bytes.length))
}
