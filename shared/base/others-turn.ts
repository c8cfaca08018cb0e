/** In the middle of long work: timers that are due and answers that came have their turn. */
export async function othersTurn(): Promise<void> {
  // One turn of the event loop for timers, one for what comes of them.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setTimeout(resolve, 0))
}
