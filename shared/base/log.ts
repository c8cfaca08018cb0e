import { type DestinationStream, pino } from 'pino'
import { isFault } from './fault.ts'
import type { Sensitive } from './sensitive.ts'

/**
 * error: somebody must repair or report it. warn: the user should know. info: rare and useful. debug: for developers.
 * At no level: keys, payload, a user's address, where an app connects to.
 */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, string | number | boolean | undefined | Sensitive<unknown>>>

export interface Log {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  /** The same log with `part` named on every line. */
  part(part: string): Log
}

export const silentLog: Log = { error() {}, warn() {}, info() {}, debug() {}, part: () => silentLog }

/** One JSON object a line, to standard error unless told otherwise. */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const root = pino(
    { level, base: null, messageKey: 'message', formatters: { level: (label) => ({ level: label }) } },
    destination ?? pino.destination({ dest: 2, sync: true }),
  )
  return wrap(root)
}

/** What may be said of a failure in a log: its code when it has one, else only the name of the error's class. */
export function faultFields(error: unknown): LogFields {
  if (isFault(error)) return { fault: error.code, ...error.details }
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  return { fault: 'internal', error: error instanceof Error ? error.name : typeof error, errno: code }
}

type Sink = Pick<ReturnType<typeof pino>, LogLevel | 'child'>

function wrap(sink: Sink): Log {
  return {
    error: (message, fields = {}) => sink.error(fields, message),
    warn: (message, fields = {}) => sink.warn(fields, message),
    info: (message, fields = {}) => sink.info(fields, message),
    debug: (message, fields = {}) => sink.debug(fields, message),
    part: (part) => wrap(sink.child({ part })),
  }
}
