import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CREDIT_QUANTUM_BYTES } from '../../../shared/link/credit.ts'
import { Grants } from '../../../shared/link/grants.ts'

class Circuit {
  readonly group: object
  quanta = 0
  granted = 0

  constructor(group: object) {
    this.group = group
  }

  get owes(): boolean {
    return this.quanta > 0
  }
}

/** Grants all that may be granted; the number of quanta. */
function run(grants: Grants): number {
  let count = 0
  grants.run((grantee) => {
    const circuit = grantee as Circuit
    circuit.quanta--
    circuit.granted++
    count++
    return 1
  })
  return count
}

function owe(grants: Grants, circuit: Circuit, quanta = 1): void {
  circuit.quanta += quanta
  grants.add(circuit)
}

describe('grants', () => {
  test('go to all at once where nobody waits at the peer', () => {
    const grants = new Grants()
    const circuits = Array.from({ length: 5 }, () => new Circuit({}))
    for (const [i, circuit] of circuits.entries()) owe(grants, circuit, 10 * (i + 1))
    expect(run(grants)).toBe(150)
    expect(run(grants)).toBe(0)
  })

  test('wait while another group has bytes at the peer and got less, and go on as soon as it has none', () => {
    const grants = new Grants()
    const [fast, slow] = [new Circuit({}), new Circuit({})]
    grants.heard(slow, true)
    owe(grants, fast, 100)
    expect(run(grants)).toBe(3) // two more than the other one, and the one that takes it there
    owe(grants, slow, 2)
    expect(run(grants)).toBe(4)
    expect(grants.heard(slow, false)).toBe(true)
    expect([run(grants), fast.granted]).toEqual([95, 100])
  })

  test('go on when the circuit is over for which others waited', () => {
    const grants = new Grants()
    const [fast, slow] = [new Circuit({}), new Circuit({})]
    grants.heard(slow, true)
    owe(grants, fast, 100)
    run(grants)
    expect(grants.remove(slow)).toBe(true)
    expect(run(grants)).toBe(97)
  })

  test('say only of the last backlogged circuit of a group that others may go on', () => {
    const grants = new Grants()
    const group = {}
    const [one, other] = [new Circuit(group), new Circuit(group)]
    for (const circuit of [one, other]) expect(grants.heard(circuit, true)).toBe(false)
    expect([grants.heard(one, false), grants.heard(one, false)]).toEqual([false, false])
    expect([grants.heard(other, false), grants.remove(other)]).toEqual([true, false])
  })

  test('do not wait for circuits of the same group', () => {
    const grants = new Grants()
    const group = {}
    const [one, other] = [new Circuit(group), new Circuit(group)]
    grants.heard(one, true)
    grants.heard(other, true)
    owe(grants, one, 100)
    expect(run(grants)).toBe(100)
  })

  test('go round in a group: who is always owed more does not keep the others waiting', () => {
    const grants = new Grants()
    const group = {}
    const [greedy, modest, rival] = [new Circuit(group), new Circuit(group), new Circuit({})]
    grants.heard(rival, true)
    owe(grants, greedy, 1000)
    owe(grants, modest, 20)
    for (let i = 0; i < 20; i++) {
      owe(grants, rival)
      run(grants)
    }
    expect(Math.abs(greedy.granted - modest.granted)).toBeLessThanOrEqual(1)
  })

  test('make up for no more than 1 MiB that a group did not ask for', () => {
    const grants = new Grants()
    const [old, late] = [new Circuit({}), new Circuit({})]
    owe(grants, old, 1000)
    run(grants)
    grants.heard(old, true)
    grants.heard(late, true)
    owe(grants, old, 100)
    expect(run(grants)).toBe(0)
    const behind = (1024 * 1024) / CREDIT_QUANTUM_BYTES
    owe(grants, late, behind - 2)
    expect(run(grants)).toBe(behind - 2 + 1) // the other one goes on when the difference is two quanta
  })

  test('are equal for groups that always want more, however many circuits they have', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 6 }), (sizes) => {
        const grants = new Grants()
        const groups = sizes.map((size) => {
          const group = {}
          return Array.from({ length: size }, () => new Circuit(group))
        })
        for (let round = 0; round < 50; round++) {
          for (const circuit of groups.flat()) {
            grants.heard(circuit, true)
            if (circuit.quanta < 3) owe(grants, circuit)
          }
          run(grants)
        }
        const sums = groups.map((circuits) => circuits.reduce((sum, { granted }) => sum + granted, 0))
        expect(Math.min(...sums)).toBeGreaterThanOrEqual(50)
        expect(Math.max(...sums) - Math.min(...sums)).toBeLessThanOrEqual(4)
      }),
      { numRuns: 50 },
    )
  })

  test('are never withheld from everybody, nor from anybody when all are heard to have no more', () => {
    const step = fc.record({
      circuit: fc.nat({ max: 11 }),
      what: fc.constantFrom('owe' as const, 'backlogged' as const, 'done' as const, 'remove' as const),
      quanta: fc.integer({ min: 1, max: 40 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        const grants = new Grants()
        const groups = [{}, {}, {}, {}]
        const circuits = Array.from({ length: 12 }, (_, i) => new Circuit(groups[i % 4] as object))
        const backlogged = new Set<Circuit>()
        for (const { circuit: index, what, quanta } of steps) {
          const circuit = circuits[index] as Circuit
          if (what === 'owe') owe(grants, circuit, quanta)
          else if (what === 'remove') {
            grants.remove(circuit)
            circuit.quanta = 0
          } else grants.heard(circuit, what === 'backlogged')
          if (what === 'backlogged') backlogged.add(circuit)
          else if (what !== 'owe') backlogged.delete(circuit)
          run(grants)
          // Who waits does so for a group that is heard to have bytes at the peer.
          for (const { owes, group } of circuits) {
            if (owes) expect([...backlogged].some((other) => other.group !== group)).toBe(true)
          }
          // If all of them are owed something, one of them gets it.
          const owed = circuits.filter(({ owes }) => owes).map(({ group }) => group)
          if (owed.length > 0) expect([...backlogged].every(({ group }) => owed.includes(group))).toBe(false)
        }
        for (const circuit of backlogged) grants.heard(circuit, false)
        run(grants)
        expect(circuits.some(({ owes }) => owes)).toBe(false)
      }),
      { numRuns: 300 },
    )
  })
})
