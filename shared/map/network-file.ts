import { readOptions } from '../base/options.ts'
import { type Network, networkOf, networkSchema } from './network.ts'

/** Reads a network file. @throws Fault options-invalid */
export function readNetworkFile(file: string): Network {
  return networkOf(readOptions(networkSchema, file))
}
