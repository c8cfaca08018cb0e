import type { After } from './first-way.ts'

/** A timer of the system. It does not keep the process alive. */
export const systemAfter: After = (ms, call) => {
  const timer = setTimeout(call, ms)
  timer.unref()
  return () => clearTimeout(timer)
}
