import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { controlSocket } from '../../directory/directory-commands.ts'
import { createHttpServer } from '../../directory/http-server.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { ControlServer } from '../../shared/control/control-server.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { LinkNode } from '../../shared/link/link-node.ts'
import { signTime } from '../../shared/map/signed-time.ts'
import { freePort } from '../net/free-port.ts'
import { NO_DOCUMENTS, OTHER_HANDLERS } from '../support/map-documents.ts'
import { NETWORK_ID, NOW_MS, networkWith } from '../support/map-fixtures.ts'
import { until } from '../support/until.ts'

const NOBODY = 65_534
const HERE = Uint8Array.of(127, 0, 0, 1)

describe('commands for a directory', () => {
  let folder: string
  let server: ControlServer
  let asked: string[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'spn-commands-'))
    chmodSync(folder, 0o755) // as open as somebody may have made it
    asked = []
    server = new ControlServer(controlSocket(folder), (command) => void asked.push(command))
    await server.start()
  })
  afterEach(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })

  test.each([
    [0, 'answer'],
    [NOBODY, 'EACCES'],
  ])('of the user %i meet %s', async (uid, expected) => {
    const code = `
      const socket = require('node:net').connect(${JSON.stringify(controlSocket(folder))})
      socket.on('error', ({ code }) => console.log(code))
      socket.on('data', (text) => console.log(String(text)))
      socket.write('{"command":"status"}\\n')`
    // Not spawnSync: this very process answers.
    const child = spawn(process.execPath, ['-e', code], { uid, gid: uid, cwd: '/' })
    let said = ''
    child.stdout.on('data', (text) => {
      said += String(text)
    })
    await new Promise((resolve) => child.on('close', resolve))
    expect(said).toContain(expected)
    expect(asked).toEqual(uid === 0 ? ['status'] : [])
  })

  test('are nowhere in the interface that everybody has', async () => {
    const http = createHttpServer({
      ...{ takeDescriptor: async () => 'accepted', map: () => undefined, documents: NO_DOCUMENTS, ...OTHER_HANDLERS },
      time: (nonce) => signTime(nonce, NOW_MS, DirectoryKey.generate(), NETWORK_ID),
      health: async () => ({ epoch: undefined, hubs: 0 }),
    })
    for (const path of ['status', 'hub', 'ban', 'trust', 'lists', 'metrics', 'keys', 'v1/lists', 'v1/status']) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE'] as const) {
        expect((await http.inject({ method, url: `/${path}` })).statusCode).toBe(404)
      }
    }
    await http.close()
  })
})

describe('a link to a hub', () => {
  const { network, keys } = networkWith(1, 1)
  const isDirectory = (key: Uint8Array): boolean =>
    network.directories.some(({ key: { bytes } }) => toHex(bytes) === toHex(key))
  const nodes: LinkNode[] = []
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close()
  })

  test('is of a directory only if its key says so: a stranger that names it is another', async () => {
    const peers: Uint8Array[] = []
    const hub = HubKey.generate()
    const address = { ip: HERE, port: await freePort('127.0.0.1') }
    const options = {
      networkId: NETWORK_ID,
      listenNoise: [],
      maxCircuitsPerLink: 1,
      maxLinks: 9,
      maxHeldBytes: 1024 * 1024,
    }
    const node = new LinkNode(
      { ...options, seed: hub.toSeed(), listen: [address], agent: 'spn-hub' },
      { clock: systemClock, onLink: ({ peerKey }) => peers.push(peerKey), onCircuit: (_, end) => end.abort() },
    )
    nodes.push(node)
    await node.start()
    for (const seed of [keys[0]!.toSeed(), HubKey.generate().toSeed()]) {
      const caller = new LinkNode(
        { ...options, seed, listen: [], agent: 'spn-directory' },
        { clock: systemClock, onCircuit: (_, end) => end.abort() },
      )
      nodes.push(caller)
      await caller.start()
      await caller.dialAnother(hub.publicBytes, [address], AbortSignal.timeout(20_000))
    }
    await until(() => peers.length === 2)
    expect(peers.map(isDirectory)).toEqual([true, false])
  })
})
