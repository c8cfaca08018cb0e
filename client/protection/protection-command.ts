import { Fault } from '../../shared/base/fault.ts'
import { type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import type { Protection } from './protection.ts'

/** A name of a portal has so many addresses at most, and a computer so many resolvers. */
const MAX_ADDRESSES = 16

/** What the user asks of the protection, as it comes over the control socket. @throws Fault options-invalid for all else */
export async function protectionCommand(
  protection: Protection,
  command: string,
  request: Readonly<Record<string, unknown>>,
): Promise<object> {
  const minutes = Number(request.minutes)
  if (command === 'pause') await protection.pause(minutes)
  else if (command === 'resume') await protection.resume()
  else if (command === 'portal') {
    await protection.openPortal(minutes, {
      addresses: addressesOf(request.addresses),
      resolvers: addressesOf(request.resolvers),
    })
  } else throw new Fault('options-invalid')
  return protection.view()
}

function addressesOf(value: unknown): readonly IpAddress[] {
  const texts = Array.isArray(value) ? value.slice(0, MAX_ADDRESSES) : []
  return texts.flatMap((text) => (typeof text === 'string' ? (parseIp(text) ?? []) : []))
}
