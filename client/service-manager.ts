import { asFault } from '../shared/base/fault.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { Running } from '../shared/base/program.ts'
import { loadNative } from './native/native.ts'

const ALIVE_MS = 1_000

/**
 * A program that tells systemd when it is ready, that its event loop lives, and that it ends (sd_notify): so one that is
 * stuck is killed and started again.
 *
 * @param socket of the environment, NOTIFY_SOCKET; without it nobody wants to know
 */
export function underServiceManager(program: Running, socket: string | undefined, log: Log): Running {
  if (socket === undefined) return program
  const tell = (message: string): void => {
    try {
      loadNative().notifyService(socket, message)
    } catch (error) {
      log.warn('the manager of services was not told', { state: message, ...faultFields(asFault(error)) })
    }
  }
  let timer: NodeJS.Timeout | undefined
  return {
    async start() {
      await program.start()
      tell('READY=1')
      timer = setInterval(() => tell('WATCHDOG=1'), ALIVE_MS)
    },
    async close() {
      clearInterval(timer)
      tell('STOPPING=1')
      await program.close()
    },
  }
}
