import type { FuzzTarget } from './fuzz-target.ts'
import { ADMISSION_TARGETS } from './targets/admission-targets.ts'
import { APP_TARGETS } from './targets/app-targets.ts'
import { CELL_TARGETS } from './targets/cell-targets.ts'
import { CLIENT_TARGETS } from './targets/client-targets.ts'
import { CONSENSUS_TARGETS } from './targets/consensus-targets.ts'
import { CONTROL_TARGETS } from './targets/control-targets.ts'
import { DIFF_TARGETS } from './targets/diff-targets.ts'
import { DIRECTORY_TARGETS } from './targets/directory-targets.ts'
import { DNS_TARGETS } from './targets/dns-targets.ts'
import { DOCUMENT_TARGETS } from './targets/document-targets.ts'
import { FRAME_TARGETS } from './targets/frame-targets.ts'
import { GEO_TARGETS } from './targets/geo-targets.ts'
import { HANDSHAKE_TARGETS } from './targets/handshake-targets.ts'
import { MACHINE_TARGETS } from './targets/machine-targets.ts'
import { MIRROR_TARGETS } from './targets/mirror-targets.ts'
import { OPTIONS_TARGETS } from './targets/options-targets.ts'
import { PACKET_TARGETS } from './targets/packet-targets.ts'
import { RULES_TARGETS } from './targets/rules-targets.ts'
import { STATE_TARGETS } from './targets/state-targets.ts'
import { TEXT_TARGETS } from './targets/text-targets.ts'

/** Everything that reads what strangers, operators or the disk can say. */
export const TARGETS: readonly FuzzTarget[] = [
  ...FRAME_TARGETS,
  ...CELL_TARGETS,
  ...HANDSHAKE_TARGETS,
  ...DOCUMENT_TARGETS,
  ...DIFF_TARGETS,
  ...DIRECTORY_TARGETS,
  ...MIRROR_TARGETS,
  ...ADMISSION_TARGETS,
  ...CONSENSUS_TARGETS,
  ...CLIENT_TARGETS,
  ...APP_TARGETS,
  ...DNS_TARGETS,
  ...CONTROL_TARGETS,
  ...OPTIONS_TARGETS,
  ...TEXT_TARGETS,
  ...RULES_TARGETS,
  ...GEO_TARGETS,
  ...STATE_TARGETS,
  ...MACHINE_TARGETS,
  ...PACKET_TARGETS,
]

export function findTarget(name: string): FuzzTarget | undefined {
  return TARGETS.find((target) => target.name === name)
}
