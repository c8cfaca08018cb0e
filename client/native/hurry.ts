import { getPriority } from 'node:os'
import { loadNative } from './native.ts'

/** As of 20 to -20, for threads that every new connection of the computer waits for. */
export const THREAD_NICE = -10
/** For the main thread of a client that intercepts: it does more than that, and must not keep programs from running. */
export const MAIN_NICE = -5
/**
 * The shortest that Linux takes (from 6.12 on). Who asks for less of a processor at a time gets it sooner: a thread that
 * was woken need not wait until a program has used up its own slice of some milliseconds.
 */
const SLICE_US = 100

/**
 * Puts the thread that calls it in front of ordinary programs. On Linux a nice value belongs to a thread. Needs
 * CAP_SYS_NICE for the nice value, but not for the slice; without both all is only slower on a busy computer.
 */
export function hurry(nice: number): void {
  for (const wanted of [nice, getPriority()]) {
    try {
      return loadNative().hurryThread(wanted, SLICE_US)
    } catch {
      // Not allowed.
    }
  }
}
