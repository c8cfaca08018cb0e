/**
 * A client that gives every flow the same verdict: `verdict-driver.ts OPTIONS`. For verdicts that `LinuxInterception`
 * does not give yet. Takes the command {"close": true}.
 */
import { createInterface } from 'node:readline'
import { loadRules, removeRules } from '../../../client/interception/firewall.ts'
import type { Verdict } from '../../../client/interception/marks.ts'
import { PacketQueue } from '../../../client/interception/packet-queue.ts'

const given = JSON.parse(process.argv[2] ?? '{}') as {
  readonly queueNum: number
  readonly redirectPort: number
  readonly gid: number
  readonly verdict: Verdict
}
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

const queue = new PacketQueue(
  { queueNum: given.queueNum, maxPending: 16 },
  {
    onFlow: ({ flow }) => {
      say({ flow })
      queue.settle(flow, given.verdict)
    },
    onExpired: () => undefined,
    onFailure: ({ code }) => say({ failure: code }),
  },
)
await queue.start()
await loadRules({ ...given, own: { gid: given.gid }, directNetworks: [] })
say({ started: true })
for await (const _command of createInterface({ input: process.stdin })) {
  await removeRules()
  await queue.close()
  say({ closed: true })
}
