import { setPriority } from 'node:os'

/** As of 20 to -20, for threads that every new connection of the computer waits for. */
export const THREAD_NICE = -10
/** For the main thread of a client that intercepts: it does more than that, and must not keep programs from running. */
export const MAIN_NICE = -5

/**
 * Puts the thread that calls it in front of ordinary programs. On Linux a nice value belongs to a thread. Needs
 * CAP_SYS_NICE; without it all is only slower on a busy computer.
 */
export function hurry(nice: number): void {
  try {
    setPriority(nice)
  } catch {
    // Not allowed.
  }
}
