import net from 'node:net'
import type { Duplex } from 'node:stream'
import { download } from '../../directory/measure/download.ts'
import { MeasureSink } from '../../directory/measure/sink.ts'
import type { Arrival } from '../../directory/measure/transfer-rate.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { freePort } from '../net/free-port.ts'

const HOST = '127.0.0.1'

/** A real sink on loopback, and who downloads from it. */
export class SinkScene {
  readonly sink = new MeasureSink(systemRandom)
  readonly port: number

  private constructor(port: number) {
    this.port = port
  }

  static async create(): Promise<SinkScene> {
    const scene = new SinkScene(await freePort(HOST))
    await scene.sink.start([{ ip: Uint8Array.of(127, 0, 0, 1), port: scene.port }])
    return scene
  }

  connect(port = this.port): net.Socket {
    return net.connect({ host: HOST, port })
  }

  download(
    stream: Duplex,
    { token, bytes }: { token: Uint8Array; bytes: number },
    { waitMs = 20_000, transferMs = 20_000 } = {},
  ): Promise<Arrival[]> {
    const building = AbortSignal.timeout(waitMs)
    const what = { token, bytes, certificate: this.sink.certificate }
    return download(stream, what, { building, signal: new AbortController().signal, transferMs }, systemClock)
  }
}
