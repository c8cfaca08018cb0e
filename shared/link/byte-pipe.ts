/** A two-way stream of bytes that a link runs over. */
export interface BytePipe {
  /** Hands over what came in. Set once, before anything is read. Chunks are borrowed for the call. */
  onData(receive: (chunk: Uint8Array) => void): void
  /** The pipe has ended, by whichever side. Set once. */
  onEnd(ended: () => void): void
  /** Writes all chunks together; `done` is called when the system has taken them. */
  write(chunks: readonly Uint8Array[], done: () => void): void
  destroy(): void
}
