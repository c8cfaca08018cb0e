import { Fault } from '../../shared/base/fault.ts'

/** The fault that this throws; an error if it throws none, or something else. */
export function faultOf(action: () => unknown): Fault {
  try {
    action()
  } catch (error) {
    if (error instanceof Fault) return error
    throw new Error(`expected a fault, not ${error}`)
  }
  throw new Error('expected a fault')
}

/** The fault with which this promise is rejected. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise
  } catch (error) {
    return faultOf(() => {
      throw error
    })
  }
  throw new Error('expected a fault')
}
