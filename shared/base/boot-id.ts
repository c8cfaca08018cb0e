import { readFileSync } from 'node:fs'
import { parseHex } from './bytes.ts'

export const BOOT_ID_BYTES = 16

/** What Linux draws by chance whenever the computer starts; undefined where there is no such thing. */
export function readBootId(file = '/proc/sys/kernel/random/boot_id'): Uint8Array | undefined {
  try {
    const id = parseHex(readFileSync(file, 'utf8').trim().replaceAll('-', ''))
    return id?.length === BOOT_ID_BYTES ? id : undefined
  } catch {
    return undefined
  }
}
