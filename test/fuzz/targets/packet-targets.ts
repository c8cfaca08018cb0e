import type { ExitFacts } from '../../../hub/exit-guard.ts'
import { MAX_PEERS, UdpPeers, UNANSWERED_BYTES, UNANSWERED_PEER_BYTES } from '../../../hub/udp-peers.ts'
import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { capacityOf, classFor } from '../../../shared/cell/cell.ts'
import { MAX_CELL_MESSAGES, messageBytes, type PacketMessage } from '../../../shared/cell/message.ts'
import { MAX_PACKET_AGE_MS, MAX_PACKET_BYTES, PacketQueue } from '../../../shared/circuit/packet-queue.ts'
import { DEFAULT_EXIT_POLICY } from '../../../shared/map/exit-policy.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

const PEER = { kind: 'ip', address: Uint8Array.of(9, 9, 9, 9), port: 443 } as const

/** ( what u8 | size u16 ) × n: packets come, time passes, cells go out */
const packetQueue: FuzzTarget = {
  name: 'packet-queue',
  about: 'packets that wait for room, and time',
  maxBytes: 400,
  seeds: () => [
    Uint8Array.of(0, 0, 9, 1, 0, 0),
    Uint8Array.of(0, 9, 9, 0, 63, 250, 2, 0, 99, 1, 0, 0, 2, 0, 1, 1, 0, 0),
  ],
  run(input) {
    const queue = new PacketQueue()
    const model: { readonly message: PacketMessage; readonly since: number }[] = []
    let [now, taken, refused] = [0, 0, 0]
    const reader = new ByteReader(input)
    while (reader.remaining >= 3) {
      const what = reader.u8() % 3
      const number = reader.u16()
      if (what === 0) {
        const message: PacketMessage = { type: 'datagram', peer: PEER, bytes: new Uint8Array(number % 17_000) }
        const isTaken = queue.push(message, now)
        promise(isTaken === messageBytes(message) <= MAX_PACKET_BYTES, 'what fits a cell is taken, and nothing else')
        if (isTaken) model.push({ message, since: now })
        else refused++
      } else if (what === 1) {
        const messages = queue.take(now)
        const bytes = messages.reduce((sum, message) => sum + messageBytes(message), 0)
        promise(messages.length <= MAX_CELL_MESSAGES && bytes <= capacityOf(classFor(bytes)), 'one cell holds them')
        promise(messages.length > 0 || queue.isEmpty, 'what waits is taken')
        for (const message of messages) {
          const at = model.findIndex((one) => one.message === message)
          promise(at >= 0, 'once each, and in the order in which they came')
          promise(now - (model[at]?.since ?? 0) < MAX_PACKET_AGE_MS, 'none that is late')
          model.splice(0, at + 1)
        }
        taken += messages.length
      } else now += number % 200
    }
    promise(model.length + taken + queue.dropped >= taken, 'every packet is taken or dropped')
    return `${taken > 0} ${queue.dropped > 0} ${refused > 0}`
  },
}

const FACTS: ExitFacts = {
  roles: { home: false, relay: false, exit4: true, exit6: false },
  policy: DEFAULT_EXIT_POLICY,
  addressScope: [],
  forbidden: new Set(['5db8d803']),
}

/** ( what u8 | host u8 | size u16 ) × n: datagrams out and in, and time */
const udpPeers: FuzzTarget = {
  name: 'udp-peers',
  about: 'datagrams of an association, both ways, and time',
  maxBytes: 800,
  seeds: () => [Uint8Array.of(0, 1, 4, 0, 1, 1, 0, 0, 0, 1, 4, 0), Uint8Array.of(0, 3, 0, 1, 2, 0, 9, 9, 0, 25, 0, 0)],
  run(input) {
    const peers = new UdpPeers(() => FACTS, 0)
    const sent = new Map<string, number>()
    const tried = new Set<string>()
    const answered = new Set<string>()
    let [now, unanswered] = [0, 0]
    const words = new Set<string>()
    const reader = new ByteReader(input)
    while (reader.remaining >= 4) {
      const what = reader.u8() % 3
      const host = reader.u8()
      const size = reader.u16()
      const address = Uint8Array.of(93, 184, 216, host & 7)
      const port = (host >> 3) + 1
      const name = `${address} ${port}`
      const forbidden = (host & 7) === 3 || port === 17 || port === 19 || port === 25
      if (what === 0) {
        const admitted = peers.admit(address, port, size, now)
        tried.add(name)
        promise(
          (typeof admitted === 'string' && admitted !== 'unanswered') === forbidden,
          'only what the exit may reach',
        )
        words.add(typeof admitted === 'string' ? admitted : 'sent')
        if (typeof admitted === 'string' || answered.has(name)) continue
        sent.set(name, (sent.get(name) ?? 0) + size)
        unanswered += size
        const seconds = now / 1000
        promise((sent.get(name) ?? 0) <= UNANSWERED_PEER_BYTES + seconds * 8192, 'little for one that never answered')
        promise(unanswered <= UNANSWERED_BYTES + seconds * 65_536, 'and little for all of them')
      } else if (what === 1) {
        promise(peers.answered(address, port) === !forbidden, 'nothing comes from where nothing may go')
        if (tried.has(name)) answered.add(name)
      } else now += size
      promise(peers.size <= MAX_PEERS, 'no more than so many are remembered')
    }
    return [...words].toSorted().join()
  },
}

export const PACKET_TARGETS: readonly FuzzTarget[] = [packetQueue, udpPeers]
