/**
 * A client that gives every flow the same verdict: `verdict-driver.ts OPTIONS`. For verdicts that `LinuxInterception`
 * does not give yet. With `apps` each flow waits until its app is looked for. Takes the command {"close": true}.
 */
import { createInterface } from 'node:readline'
import { AppFinder } from '../../../client/apps/app-finder.ts'
import { loadRules, removeRules } from '../../../client/interception/firewall.ts'
import type { Verdict } from '../../../client/interception/marks.ts'
import { PROTOCOL_TCP } from '../../../client/interception/packet.ts'
import { PacketQueue } from '../../../client/interception/packet-queue.ts'
import { hurry, MAIN_NICE } from '../../../client/native/hurry.ts'
import { tuneEngine } from '../../../shared/base/engine.ts'

const given = JSON.parse(process.argv[2] ?? '{}') as {
  readonly queueNum: number
  readonly redirectPort: number
  readonly gid: number
  readonly verdict: Verdict
  readonly apps?: boolean
}
const MAX_PENDING = 4_096
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

const finder = given.apps === true ? new AppFinder({ onFailure: ({ code }) => say({ failure: code }) }) : undefined
const found = { flows: 0, known: 0, apps: new Set<string>() }

const queue = new PacketQueue(
  { queueNum: given.queueNum, maxPending: given.apps === true ? MAX_PENDING : 16 },
  {
    onFlow: (flow) => {
      if (finder === undefined) {
        say({ flow: flow.flow })
        queue.settle(flow.flow, given.verdict)
        return
      }
      void finder.find({ protocol: PROTOCOL_TCP, ...flow }).then((app) => {
        queue.settle(flow.flow, given.verdict)
        found.flows++
        if (app === undefined) return
        found.known++
        found.apps.add(app.key)
      })
    },
    onExpired: () => undefined,
    onFailure: ({ code }) => say({ failure: code }),
  },
)
// As a client that intercepts.
tuneEngine()
hurry(MAIN_NICE)
await queue.start()
await loadRules({ ...given, own: { gid: given.gid }, directNetworks: [] })
say({ started: true })
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as { readonly close?: boolean }
  if (command.close !== true) {
    say({ found: { ...found, apps: [...found.apps] } })
    Object.assign(found, { flows: 0, known: 0 })
    found.apps.clear()
    continue
  }
  await removeRules()
  await queue.close()
  await finder?.close()
  say({ closed: true })
}
