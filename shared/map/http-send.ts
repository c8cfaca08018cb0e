export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** A longer answer is cut off with Fault document-too-large. */
  readonly maxBytes: number
}

export interface HttpAnswer {
  readonly status: number
  readonly etag: string | undefined
  readonly body: Uint8Array
}

/** How requests travel: directly, or through a circuit. */
export type HttpSend = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
