import type { ComponentLogger, Logger } from '@libp2p/interface'

const silent: Logger = Object.assign(() => {}, {
  enabled: false,
  error() {},
  trace() {},
  newScope: () => silent,
})

/** libp2p's log is full of addresses and can be switched on from the environment; this one says nothing, ever. */
export const silentLogger: ComponentLogger = { forComponent: () => silent }
