import { expect, test } from '@jest/globals'
import { VerifiedDescriptors } from '../../directory/verified-descriptors.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { signDescriptor } from '../../shared/map/descriptor.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { descriptorOf, NETWORK_ID } from '../support/map-fixtures.ts'

function held(key: HubKey, sequence: number) {
  const descriptor = descriptorOf(key, { sequence })
  const signed = signDescriptor(descriptor, key, NETWORK_ID)
  return { hubId: key.publicBytes, sequence, expires: descriptor.expires, signed }
}

test('a descriptor that did not change is not checked again, and a newer one is read', async () => {
  const [one, two] = [HubKey.generate(), HubKey.generate()]
  const descriptors = new VerifiedDescriptors(NETWORK_ID)
  const [first, other] = await descriptors.read([held(one, 1), held(two, 1)])
  const again = await descriptors.read([held(one, 1), held(two, 2)])
  expect(again[0]).toBe(first)
  expect(again[1]).toEqual({ ...other, sequence: 2 })
})

test('who is not held any more is forgotten, and checked when it comes again', async () => {
  const [one, two] = [HubKey.generate(), HubKey.generate()]
  const descriptors = new VerifiedDescriptors(NETWORK_ID)
  const [first] = await descriptors.read([held(one, 1), held(two, 1)])
  expect(await descriptors.read([held(two, 1)])).toHaveLength(1)
  const [again] = await descriptors.read([held(one, 1)])
  expect(again).not.toBe(first)
  expect(again).toEqual(first)
})

test('a signature that is wrong is never taken for one that was right', async () => {
  const key = HubKey.generate()
  const descriptors = new VerifiedDescriptors(NETWORK_ID)
  const right = held(key, 1)
  await descriptors.read([right])
  const signed = right.signed.slice()
  signed[40] = (signed[40] as number) ^ 1
  expect((await rejectionOf(descriptors.read([{ ...right, signed }]))).code).toBe('signature-invalid')
})
