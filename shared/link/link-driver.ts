import type { MonotonicClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { giveBackFrame } from '../cell/frame-pool.ts'
import type { BytePipe } from './byte-pipe.ts'
import { Link, type LinkOptions, type LinkSink } from './link.ts'

/** Bytes given to the socket in one write. */
const BATCH_BYTES = 64 * 1024
/** Bytes given to the socket and not yet taken by the system. */
const MAX_OUTSTANDING_BYTES = 256 * 1024

/** An answer to a CLOSE waits so long for something that goes the same way: nobody needs it soon, and a write costs more. */
export const CLOSE_ANSWER_DELAY_MS = 20

/** What the owner of a link is told; the driver adds the rest. */
export type LinkEvents = Omit<LinkSink, 'wake' | 'wakeLater'> & {
  /** Queued control bytes went out. */
  drained(): void
}

/** Runs a `Link` over a pipe: reads, writes what it has to say, and stops when either ends. */
export class LinkDriver {
  readonly link: Link
  readonly #pipe: BytePipe
  readonly #events: LinkEvents
  readonly #clock: MonotonicClock
  #outstanding = 0
  #scheduled = false
  #later: NodeJS.Timeout | undefined

  constructor(pipe: BytePipe, options: LinkOptions, events: LinkEvents, clock: MonotonicClock) {
    this.#pipe = pipe
    this.#events = events
    this.link = new Link(
      options,
      {
        ...events,
        wake: () => this.#schedule(),
        wakeLater: () => this.#scheduleLater(),
        closed: (fault) => {
          clearTimeout(this.#later)
          pipe.destroy()
          events.closed(fault)
        },
      },
      clock.now(),
    )
    this.#clock = clock
  }

  /** Sends the HELLO, and begins to read. The HELLO goes out at once: it tells the peer why, if this link ends by its. */
  start(): void {
    this.#pipe.onEnd(() => this.link.fail(new Fault('link-closed')))
    this.#flush()
    this.#pipe.onData((chunk) => this.link.receive(chunk, this.#clock.now()))
  }

  /** Writes at the end of this turn of the event loop, so that what one turn produces goes out together. */
  #schedule(): void {
    if (this.#scheduled || this.#outstanding >= MAX_OUTSTANDING_BYTES) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #scheduleLater(): void {
    if (this.#scheduled) return
    this.#later ??= setTimeout(() => this.#schedule(), CLOSE_ANSWER_DELAY_MS)
  }

  #flush(): void {
    clearTimeout(this.#later)
    this.#later = undefined
    while (!this.link.closed && this.#outstanding < MAX_OUTSTANDING_BYTES) {
      const chunks = this.link.pull(BATCH_BYTES, this.#clock.now())
      if (chunks.length === 0) break
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      this.#outstanding += bytes
      this.#pipe.write(chunks, () => {
        this.#outstanding -= bytes
        for (const chunk of chunks) giveBackFrame(chunk)
        this.#schedule()
      })
    }
    this.#events.drained()
  }
}
