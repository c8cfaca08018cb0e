import { describe, expect, test } from '@jest/globals'
import { asFault, Fault, isFault } from '../../../shared/base/fault.ts'
import { FAULTS, type FaultCode, faultFromWire } from '../../../shared/base/fault-codes.ts'

const codes = Object.keys(FAULTS) as FaultCode[]
const travelling = codes.filter((code) => FAULTS[code].wire !== 0)

describe('the table of faults', () => {
  test('gives no wire byte twice', () => {
    const wires = travelling.map((code) => FAULTS[code].wire)
    expect(new Set(wires).size).toBe(wires.length)
  })

  test('keeps what an ANSWER says and what a REFUSED says in ranges of their own', () => {
    for (const code of travelling) {
      const { wire, blame } = FAULTS[code]
      expect([code, wire >= 0x01 && wire <= 0x3f]).toEqual([code, true])
      if (wire < 0x20) expect([code, ['peer', 'network']]).toEqual([code, expect.arrayContaining([blame])])
      else expect([code, ['peer', 'remote']]).toEqual([code, expect.arrayContaining([blame])])
    }
  })

  test('lets nothing travel that speaks of this computer or of a bug', () => {
    for (const code of travelling)
      expect([code, FAULTS[code].blame]).not.toEqual([code, expect.stringMatching(/^(self|host)$/)])
  })

  test('says each fault in one lower-case clause', () => {
    for (const code of codes) expect(FAULTS[code].text).toMatch(/^[a-zA-Z][^\n]{9,89}[^.\s]$/)
  })

  test('knows every byte from the wire that it gives, and no other', () => {
    const known = new Map<number, string>(travelling.map((code) => [FAULTS[code].wire, code]))
    for (let byte = 0; byte <= 0xff; byte++) expect([byte, faultFromWire(byte)]).toEqual([byte, known.get(byte)])
    expect(known.size).toBe(20)
  })
})

describe('a fault', () => {
  test('is an error with a code, details, a sentence and a cause', () => {
    const cause = new Error('below')
    const fault = new Fault('port-in-use', { address: '192.0.2.1', tries: 3 }, cause)
    expect(fault).toBeInstanceOf(Error)
    expect(fault.name).toBe('Fault')
    expect(fault.details).toEqual({ address: '192.0.2.1', tries: 3 })
    expect(fault.message).toBe('the address is already in use (address: 192.0.2.1, tries: 3)')
    expect(fault.cause).toBe(cause)
    expect(new Fault('cancelled').message).toBe('the operation was cancelled')
    expect('cause' in new Fault('cancelled')).toBe(false)
  })

  test('is told from other errors, and from faults of another code', () => {
    const fault = new Fault('hub-busy')
    expect([isFault(fault), isFault(fault, 'hub-busy'), isFault(fault, 'hub-draining')]).toEqual([true, true, false])
    for (const other of [new Error('hub-busy'), { code: 'hub-busy' }, undefined, null, 'hub-busy']) {
      expect(isFault(other)).toBe(false)
    }
  })

  test('passes through asFault, which makes a bug of everything else', () => {
    const fault = new Fault('hub-busy')
    expect(asFault(fault)).toBe(fault)
    const error = new TypeError('x is not a function')
    expect(asFault(error)).toMatchObject({ code: 'internal', cause: error, details: {} })
    expect(asFault('text')).toMatchObject({ code: 'internal', cause: 'text' })
  })
})
