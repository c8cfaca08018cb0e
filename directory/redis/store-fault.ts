import { Fault, isFault } from '../../shared/base/fault.ts'
import type { FaultCode } from '../../shared/base/fault-codes.ts'

/** What the operator does about it. */
export const REPAIRS = {
  'store-unreachable': 'start Redis, or look at the way to it; this directory goes on by itself as soon as it answers',
  'store-slow': 'look at the load, the disk and the network of Redis',
  'store-full': 'give Redis more maxmemory or its disk more room; it must not evict keys',
  'store-read-only': 'let Redis make a replica the primary; this directory looks for the primary by itself',
  'store-unsafe': 'connect a replica to Redis, and look whether it can follow',
  'store-refused': 'give the directory a user and password that may use all keys of its network',
  'lease-lost': 'nothing: another replica of this directory publishes',
} as const satisfies Partial<Record<FaultCode, string>>

export type StoreFaultCode = keyof typeof REPAIRS

/** What Redis answers, by the first word. */
const CODES: Readonly<Record<string, StoreFaultCode>> = {
  OOM: 'store-full',
  MISCONF: 'store-full',
  READONLY: 'store-read-only',
  NOREPLICAS: 'store-unsafe',
  NOAUTH: 'store-refused',
  WRONGPASS: 'store-refused',
  NOPERM: 'store-refused',
  STALE: 'lease-lost',
}

export function storeFault(
  code: StoreFaultCode,
  details: Record<string, string | number> = {},
  cause?: unknown,
): Fault {
  return new Fault(code, { ...details, repair: REPAIRS[code] }, cause)
}

/** A failure of the client as a fault. Its own text stays inside: it may hold where Redis is. */
export function asStoreFault(error: unknown): Fault {
  if (isFault(error)) return error
  const text = error instanceof Error ? error.message : ''
  const code = CODES[text.split(' ', 1)[0] ?? '']
  if (code !== undefined) return storeFault(code, {}, error)
  if (text.includes('timed out')) return storeFault('store-slow', {}, error)
  const isScript =
    error instanceof Error &&
    error.name === 'ReplyError' &&
    !/^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNKILLABLE|BUSY) /.test(text)
  return isScript ? new Fault('internal', {}, error) : storeFault('store-unreachable', {}, error)
}
