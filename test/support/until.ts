/**
 * Resolves when `look` gives something: asks in every turn of the event loop, so it ends as soon as it can and does not
 * depend on the speed of the machine. The time is only for tests that fail.
 */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what = 'what was waited for',
  timeoutMs = 60_000,
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > giveUpAt) throw new Error(`${what} did not come`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
