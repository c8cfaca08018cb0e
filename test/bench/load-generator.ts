import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cpuSeconds } from '../net/loopback-network.ts'
import type {
  BulkResult,
  ChurnResult,
  FirstBytesResult,
  LoadCommand,
  LoadMessage,
  LoadTarget,
} from './load-commands.ts'

/** A result, and what it cost while it was measured. */
export type Measured<T> = T & {
  /** CPU seconds of the processes that are measured. */
  readonly cpuSeconds: number
  /** CPU seconds of the load generator itself, and of the destination. */
  readonly loadCpuSeconds: number
  readonly destinationCpuSeconds: number
}

/** The load generator's process, as its owner sees it. One command at a time. */
export class LoadGenerator {
  readonly #child: ChildProcess
  readonly #destinationPid: number

  constructor(destinationPid: number) {
    this.#destinationPid = destinationPid
    this.#child = fork(fileURLToPath(new URL('load.ts', import.meta.url)), { execArgv: ['--no-warnings'] })
  }

  /** Endless downloads: after `leadSeconds`, in which windows grow, so many seconds are counted. */
  bulk(
    target: LoadTarget,
    pids: readonly number[],
    options: { readonly streams: number; readonly leadSeconds: number; readonly seconds: number },
  ): Promise<Measured<BulkResult>> {
    return this.#run<BulkResult>({ ...target, op: 'bulk', ...options }, pids)
  }

  /** New connections one after the other, each some time after the end of the one before, a byte over each. */
  firstBytes(
    target: LoadTarget,
    pids: readonly number[],
    options: { readonly connections: number; readonly pauseSeconds: number },
  ): Promise<Measured<FirstBytesResult>> {
    return this.#run<FirstBytesResult>({ ...target, op: 'first-bytes', ...options }, pids)
  }

  /** New connections by so many workers at the same time, a byte over each. */
  churn(
    target: LoadTarget,
    pids: readonly number[],
    options: { readonly workers: number; readonly seconds: number },
  ): Promise<Measured<ChurnResult>> {
    return this.#run<ChurnResult>({ ...target, op: 'churn', ...options }, pids)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.disconnect()
    await ended
  }

  #run<T>(command: LoadCommand, pids: readonly number[]): Promise<Measured<T>> {
    const cpuOf = (measured: readonly number[]): number => measured.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
    const destination = [this.#destinationPid]
    return new Promise((resolve, reject) => {
      let before = { measured: 0, destination: 0 }
      const done = (): void => {
        this.#child.off('message', onMessage)
        this.#child.off('exit', onExit)
      }
      const onExit = (): void => {
        done()
        reject(new Error('the load generator ended'))
      }
      const onMessage = (message: LoadMessage): void => {
        const cpu = { measured: cpuOf(pids), destination: cpuOf(destination) }
        if (message.kind === 'begin') {
          before = cpu
          return
        }
        done()
        if (message.kind === 'failed') return reject(new Error(`${command.op}: ${message.reason}`))
        resolve({
          ...(message.result as T),
          cpuSeconds: cpu.measured - before.measured,
          loadCpuSeconds: message.cpuSeconds,
          destinationCpuSeconds: cpu.destination - before.destination,
        })
      }
      this.#child.on('message', onMessage)
      this.#child.on('exit', onExit)
      this.#child.send(command, (error) => {
        if (error !== null) reject(error)
      })
    })
  }
}
