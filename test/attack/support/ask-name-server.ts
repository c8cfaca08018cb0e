import { Resolver } from 'node:dns/promises'

/**
 * Loaded into a hub in front of its own code: look-ups go to the name server of the test, whose `ADDRESS:PORT` stands in the
 * environment. Everything else is as in a hub that people run.
 */
const server = process.env.TEST_NAME_SERVER
const { resolve4, resolve6 } = Resolver.prototype
const told = new WeakSet<Resolver>()

/** Once, before the first question: a resolver that waits for an answer takes no other servers. */
function tell(resolver: Resolver): void {
  if (server === undefined || told.has(resolver)) return
  told.add(resolver)
  resolver.setServers([server])
}

Object.assign(Resolver.prototype, {
  resolve4(this: Resolver, ...question: Parameters<typeof resolve4>) {
    tell(this)
    return resolve4.apply(this, question)
  },
  resolve6(this: Resolver, ...question: Parameters<typeof resolve6>) {
    tell(this)
    return resolve6.apply(this, question)
  },
})
