import { Fault } from './fault.ts'

/** A failure to bind an address, by its name; other errors stay what they are. */
export function listenFault(error: unknown, address: string): unknown {
  for (const one of flatten(error)) {
    const code = codeOf(one)
    if (code === 'EADDRINUSE') return new Fault('port-in-use', { address }, error)
    if (code === 'EADDRNOTAVAIL') return new Fault('address-unavailable', { address }, error)
    if (code === 'EACCES') return new Fault('capability-missing', { address, right: rightFor(address) }, error)
  }
  return error
}

/** Only ports below 1024 need a right of the kernel; others are kept by rules of the system, such as SELinux. */
function rightFor(address: string): string {
  const port = Number(/(?: port |\/tcp\/)(\d+)/.exec(address)?.[1])
  return port < 1024 ? 'binding a port below 1024' : 'binding this address'
}

/** The code, or where a library passes on only the text, the code that stands in it. */
function codeOf(error: unknown): string | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return code !== undefined ? String(code) : /\bE(ADDRINUSE|ADDRNOTAVAIL|ACCES)\b/.exec(String(message))?.[0]
}

/** The error with what it wraps. */
function flatten(error: unknown): unknown[] {
  const inner = error instanceof AggregateError ? error.errors : []
  const cause = error instanceof Error ? error.cause : undefined
  return [error, ...inner.flatMap(flatten), ...(cause === undefined ? [] : flatten(cause))]
}
