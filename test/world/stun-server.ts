/**
 * A STUN server of the world (RFC 8489), as a program, on several UDP ports: tells every caller the address and port
 * that it is seen at.
 *
 *     node stun-server.ts PORT...
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { parseIp } from '../../shared/base/ip-address.ts'

const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const XOR_MAPPED_ADDRESS = 0x0020
/** Type, length, cookie, transaction. */
const HEADER_BYTES = 20
const COOKIE_AT = 4
/** Type, length, a zero, family, port. */
const ADDRESS_AT = 8

for (const port of process.argv.slice(2).map(Number)) {
  const socket = createSocket({ type: 'udp6', ipv6Only: false })
  socket.on('message', (request, caller) => {
    if (request.length < HEADER_BYTES || request.readUInt16BE(0) !== BINDING_REQUEST) return
    socket.send(answer(request, caller.address.replace(/^::ffff:/, ''), caller.port), caller.port, caller.address)
  })
  socket.bind(port, '::')
  await once(socket, 'listening')
}
console.log('ready')

/** Port and address are XORed with the cookie and transaction of the request. */
function answer(request: Buffer, text: string, port: number): Buffer {
  const mask = request.subarray(COOKIE_AT, HEADER_BYTES)
  const address = (parseIp(text) ?? new Uint8Array(0)).map((byte, i) => byte ^ (mask[i] ?? 0))
  const attribute = Buffer.alloc(ADDRESS_AT + address.length)
  attribute.writeUInt16BE(XOR_MAPPED_ADDRESS, 0)
  attribute.writeUInt16BE(attribute.length - 4, 2)
  attribute[5] = address.length === 4 ? 1 : 2
  attribute.writeUInt16BE(port ^ mask.readUInt16BE(0), 6)
  attribute.set(address, ADDRESS_AT)
  const header = Buffer.from(request.subarray(0, HEADER_BYTES))
  header.writeUInt16BE(BINDING_SUCCESS, 0)
  header.writeUInt16BE(attribute.length, 2)
  return Buffer.concat([header, attribute])
}
