#!/usr/bin/env node
import { readBootId } from '../shared/base/boot-id.ts'
import { systemClock } from '../shared/base/clock.ts'
import { parseCommandLine } from '../shared/base/command-line.ts'
import { formatEndpoint } from '../shared/base/ip-address.ts'
import { createLog } from '../shared/base/log.ts'
import { readOptions } from '../shared/base/options.ts'
import { runProgram } from '../shared/base/program.ts'
import { systemRandom } from '../shared/base/random.ts'
import { directHttp } from '../shared/map/direct-http.ts'
import { readNetworkFile } from '../shared/map/network-file.ts'
import { canEcho } from './exit-echo.ts'
import { Hub } from './hub.ts'
import { HubState } from './hub-state.ts'
import { hubOptionsSchema } from './options.ts'
import { dnsResolver } from './resolver.ts'

/** `spn-hub --config FILE` */
await runProgram('spn-hub', async () => {
  const { config } = parseCommandLine(process.argv.slice(2), { required: ['config'] })
  const options = readOptions(hubOptionsSchema, config as string)
  const { dns } = options
  const network = readNetworkFile(options.networkFile)
  const log = createLog(options.logLevel)
  const state = new HubState(options.stateDir)
  return new Hub(options, {
    canEcho,
    network,
    identity: state.loadIdentity(),
    state,
    bootId: readBootId(),
    clock: systemClock,
    wallClock: Date.now,
    random: systemRandom,
    log,
    http: directHttp,
    resolver: dnsResolver(dns.servers?.map(({ ip, port }) => formatEndpoint(ip, port))),
  })
})
