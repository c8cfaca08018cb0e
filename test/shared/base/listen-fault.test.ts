import { describe, expect, test } from '@jest/globals'
import { Fault, isFault } from '../../../shared/base/fault.ts'
import { listenFault } from '../../../shared/base/listen-fault.ts'

function systemError(code: string): Error {
  return Object.assign(new Error(`listen ${code}: 127.0.0.1:80`), { code })
}

describe('a failure to bind an address', () => {
  test.each([
    ['EADDRINUSE', 'port-in-use'],
    ['EADDRNOTAVAIL', 'address-unavailable'],
    ['EACCES', 'capability-missing'],
  ])('%s is %s, with the address', (code, fault) => {
    const error = systemError(code)
    expect(listenFault(error, '127.0.0.1 port 80')).toMatchObject({
      code: fault,
      details: { address: '127.0.0.1 port 80' },
      cause: error,
    })
  })

  test.each([
    ['127.0.0.1 port 1023', 'binding a port below 1024'],
    ['/ip4/127.0.0.1/tcp/443/tls', 'binding a port below 1024'],
    ['127.0.0.1 port 1024', 'binding this address'],
    ['/ip4/127.0.0.1/tcp/8443/tls', 'binding this address'],
    ['a listen address', 'binding this address'],
  ])('for want of a right at %s names the right: %s', (address, right) => {
    expect(listenFault(systemError('EACCES'), address)).toMatchObject({ details: { address, right } })
  })

  test.each([
    ['a cause', new Error('failed', { cause: new Error('still', { cause: systemError('EADDRINUSE') }) })],
    ['an aggregate', new AggregateError([new Error('other'), systemError('EADDRINUSE')])],
    ['the text of an error', new Error('some addresses failed: listen EADDRINUSE: address already in use ::')],
  ])('is found in %s', (_, error) => {
    expect(isFault(listenFault(error, 'x'), 'port-in-use')).toBe(true)
  })

  test.each([new Error('something else'), systemError('EMFILE'), new Fault('cancelled'), undefined, 'EADDRINUSE'])(
    'is not made of anything else: %s stays what it is',
    (error) => {
      expect(listenFault(error, 'x')).toBe(error)
    },
  )
})
