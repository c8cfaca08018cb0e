import { FAULTS, type FaultCode } from './fault-codes.ts'

/** Facts that go with a fault: numbers, names of options, files. Never keys, payload, addresses of users or destinations. */
export type FaultDetails = Readonly<Record<string, string | number | boolean>>

/**
 * The one error class of the project. Branch on `code` only; `message` is for people.
 * Only `FAULTS[code].wire` may ever leave the process (SPEC section 12).
 */
export class Fault extends Error {
  readonly code: FaultCode
  readonly details: FaultDetails

  constructor(code: FaultCode, details: FaultDetails = {}, cause?: unknown) {
    super(describe(code, details), cause === undefined ? undefined : { cause })
    this.name = 'Fault'
    this.code = code
    this.details = details
  }
}

/** True if `error` is a fault, and of this code when one is named. */
export function isFault(error: unknown, code?: FaultCode): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code)
}

/** Any thrown thing as a fault: faults pass through, everything else becomes the cause of an `internal` one. */
export function asFault(error: unknown): Fault {
  return isFault(error) ? error : new Fault('internal', {}, error)
}

function describe(code: FaultCode, details: FaultDetails): string {
  const facts = Object.entries(details).map(([name, value]) => `${name}: ${value}`)
  return facts.length === 0 ? FAULTS[code].text : `${FAULTS[code].text} (${facts.join(', ')})`
}
