import { concatBytes } from '../../../shared/base/bytes.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { runEvilClient, runEvilExit } from '../machines/evil-circuit.ts'
import { runHonest } from '../machines/honest-circuit.ts'
import { runLink } from '../machines/link-machine.ts'
import { FRAMES } from './frame-targets.ts'

const steps = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes)

/** The first byte 255 leaves the HELLO out. Steps are those of the machine, by their place in its list. */
const link: FuzzTarget = {
  name: 'link',
  about: 'frames, owners, writes and time against a link, compared with its rules',
  maxBytes: 200,
  words: FRAMES.filter(({ length }) => length < 60).map((frame) => concatBytes(steps(4, frame.length), frame)),
  seeds: () => [
    steps(0, 2, 0, 2, 11, 16, 7, 0, 1, 8, 0, 0, 1, 8, 2, 0),
    steps(0, 5, 11, 16, 1, 4, 1, 0, 6, 0, 3, 39, 11, 19, 1, 7, 1, 0, 8, 0, 1, 11, 16, 1, 8, 1, 0),
    steps(0, 2, 2, 2, 2, 4, 2, 2, 6, 2, 2, 8, 2, 3, 5, 4, 8, 0, 0, 11, 16),
    steps(0, ...[0, 2, 4, 6, 8, 10, 12].flatMap((id) => [2, id, 2])),
    steps(0, 2, 0, 3, 3, 5, 2, 7, 0, 255, 3, 5, 2, 11, 19),
    steps(0, 9, 11, 10, 1, 10, 0, 1, 12, 40, 12, 100, 12, 100),
    steps(255, 12, 30, 0, 10, 1, 0, 11, 19),
    ...FRAMES.filter(({ length }) => length < 60).map((frame) => concatBytes(steps(0, 4, frame.length), frame)),
  ],
  run: runLink,
}

const circuit: FuzzTarget = {
  name: 'circuit',
  about: 'client, relays and exit that are honest, frames changed on their way, time and ends',
  maxBytes: 96,
  seeds: () => [
    steps(2, 0, 1, 1, 0, 2, 16, 0, 3, 4),
    steps(1, 1, 0, 9, 0, 2, 0, 200, 4, 3),
    steps(6, 0, 1, 64, 0, 9, 255, 2, 64, 0, 8, 255, 5),
    steps(3, 11, 2, 2, 0, 40, 1, 0, 1, 1, 0),
    steps(24, 0, 10, 30, 10, 60),
    steps(0, 7, 0),
    steps(2, 0, 12, 1),
    steps(2, 0, 11, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0),
    steps(1, 0, 11, 3, 4, 0, 0, 0, 2, 1, 0, 2, 1, 0),
  ],
  run: runHonest,
}

const evilClient: FuzzTarget = {
  name: 'evil-client',
  about: 'a client that keeps to no rule, real hubs and a real exit',
  maxBytes: 128,
  seeds: () => [
    steps(1, 1, 7, 6, 0, 7, 7, 9, 11, 8),
    steps(9, 1, 10, 0, 2, 6, 3, 3, 5, 11),
    steps(0, 1, 10, 2, 0, 6, 4, 0, 3, 1, 2, 3),
    steps(18, 3, 0, 1, 4, 2, 1, 9, 10, 200),
    steps(1, 1, 8, 0, 8, 6, 3, 1, 3, 11, 11),
    steps(1, 1, 8, 11, 3, 1, 3),
  ],
  run: runEvilClient,
}

const evilExit: FuzzTarget = {
  name: 'evil-exit',
  about: 'an exit that keeps to no rule, real hubs and a real client',
  maxBytes: 128,
  seeds: () => [
    steps(1, 0, 4, 3, 2, 9, 7, 9, 8, 11),
    steps(2, 0, 6),
    steps(8, 5, 1, 6, 0, 0, 4),
    steps(0, 0, 4, 2, 0, 6, 4, 0, 3, 1, 2, 3, 0, 9),
    steps(33, 4, 2, 1, 7, 10, 200),
    steps(0, 0, 4, 3, 1, 3, 11, 3, 1, 3),
    steps(0, 0, 4, 3, 1, 3, 11, 11),
  ],
  run: runEvilExit,
}

export const MACHINE_TARGETS: readonly FuzzTarget[] = [link, circuit, evilClient, evilExit]
