import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { TOKEN_BYTES } from '../../directory/measure/sink.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { SinkScene } from '../support/measure-sink.ts'

const BYTES = 300_000

let scene: SinkScene
beforeEach(async () => {
  scene = await SinkScene.create()
})
afterEach(() => scene.sink.close())

/** Says these bytes to the sink, in these parts; what it gives until it hangs up. */
async function ask(...parts: Uint8Array[]): Promise<number> {
  const socket: TLSSocket = connect({ port: scene.port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  let bytes = 0
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  socket.on('error', () => {})
  for (const part of parts) {
    await new Promise((resolve) => socket.write(part, resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await once(socket, 'close')
  return bytes
}

describe('whoever finds the server that measurements download from', () => {
  test('gets nothing without a token', async () => {
    scene.sink.expect(BYTES)
    expect(await ask(systemRandom.bytes(TOKEN_BYTES))).toBe(0)
    expect(await ask(new Uint8Array(TOKEN_BYTES))).toBe(0)
    expect(await ask(systemRandom.bytes(5000))).toBe(0)
  })

  test('gets what was agreed with a token, in whatever parts it comes, and nothing the second time', async () => {
    const token = scene.sink.expect(BYTES)
    expect(await ask(token.subarray(0, 7), token.subarray(7))).toBe(BYTES)
    expect(await ask(token)).toBe(0)
  })

  test('gets nothing with a token of a measurement that is over, or with more than a token', async () => {
    const [over, running] = [scene.sink.expect(BYTES), scene.sink.expect(BYTES)]
    scene.sink.forget(over)
    expect(await ask(over)).toBe(0)
    expect(await ask(new Uint8Array([...running, 0]))).toBe(0)
  })

  test('does not keep a measurement from its bytes by connections that say nothing', async () => {
    const silent = Array.from({ length: 20 }, () => scene.connect())
    await Promise.all(silent.map((socket) => once(socket, 'connect')))
    const arrivals = await scene.download(scene.connect(), { token: scene.sink.expect(BYTES), bytes: BYTES })
    expect(arrivals.at(-1)?.total).toBe(BYTES)
    for (const socket of silent) socket.destroy()
  })

  test('is not taken for it: a server with another certificate can give nothing', async () => {
    const other = await SinkScene.create()
    const token = other.sink.expect(BYTES)
    const refused = scene.download(other.connect(), { token, bytes: BYTES })
    await expect(refused).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    await other.sink.close()
  })
})
