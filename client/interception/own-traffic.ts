import { readFileSync } from 'node:fs'
import { Fault } from '../../shared/base/fault.ts'
import type { RuleOptions } from './rules.ts'

/**
 * A client that is not what the rules take for the client would cut itself off.
 *
 * @throws Fault options-invalid if this process is not in the group or cgroup of `own`
 */
export function checkOwnTraffic(own: RuleOptions['own']): void {
  const mistake = 'gid' in own ? groupMistake(own.gid) : cgroupMistake(own.cgroup)
  if (mistake !== undefined) throw new Fault('options-invalid', { mistakes: mistake })
}

function groupMistake(gid: number): string | undefined {
  if (process.getegid?.() === gid) return undefined
  return `own.gid: the client must be started with group ${gid} (setpriv --regid ${gid} --clear-groups ...)`
}

function cgroupMistake(path: string): string | undefined {
  const current = readFileSync('/proc/self/cgroup', 'utf8').match(/^0::\/(.*)$/m)?.[1] ?? ''
  if (current === path || current.startsWith(`${path}/`)) return undefined
  return `own.cgroup: the client must be started in cgroup ${path}`
}
