import { describe, expect, test } from '@jest/globals'
import { FamilyKey } from '../../../shared/crypto/family-key.ts'
import { HubKey } from '../../../shared/crypto/hub-key.ts'
import { MAX_TEXT_BYTES } from '../../../shared/map/descriptor.ts'
import { familyName, familyProof, provedFamily } from '../../../shared/map/family.ts'
import { flipBit } from '../../support/hex.ts'
import { NETWORK_ID } from '../../support/map-fixtures.ts'

const family = FamilyKey.generate()
const [hub, other] = [HubKey.generate().publicBytes, HubKey.generate().publicBytes]
const proof = familyProof(family, hub, NETWORK_ID)

describe('a hub belongs to a family', () => {
  test('that signed its id, by a text that fits into a descriptor', () => {
    expect(provedFamily(proof, hub, NETWORK_ID)).toBe(familyName(family.publicBytes))
    expect(proof).toHaveLength(MAX_TEXT_BYTES)
    expect(familyName(family.publicBytes)).toMatch(/^[\w-]{22}$/)
  })

  test('together with all that it signed, and no others', () => {
    const second = provedFamily(familyProof(family, other, NETWORK_ID), other, NETWORK_ID)
    expect(second).toBe(provedFamily(proof, hub, NETWORK_ID))
    expect(provedFamily(familyProof(FamilyKey.generate(), hub, NETWORK_ID), hub, NETWORK_ID)).not.toBe(second)
  })

  test('or to none', () => {
    expect(provedFamily('', hub, NETWORK_ID)).toBe('')
  })

  test.each([
    ['the proof of another hub', proof, other, NETWORK_ID],
    ['a proof for another network', proof, hub, flipBit(NETWORK_ID, 0)],
    ['the name of a family', familyName(family.publicBytes), hub, NETWORK_ID],
    ['a plain name', 'my-family', hub, NETWORK_ID],
    [
      'a key of its own choice',
      Buffer.from(flipBit(Buffer.from(proof, 'base64url'), 3)).toString('base64url'),
      hub,
      NETWORK_ID,
    ],
    ['a longer one', `${proof}AAAA`, hub, NETWORK_ID],
    ['a cut one', proof.slice(0, -4), hub, NETWORK_ID],
    ['another spelling of the same bytes', `${proof}=`, hub, NETWORK_ID],
  ])('to none with %s', (_, text, id, network) => {
    expect(provedFamily(text, id, network)).toBeUndefined()
  })
})
