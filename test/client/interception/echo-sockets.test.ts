import { expect, test } from '@jest/globals'
import { readSocketList } from '../../../client/interception/echo-sockets.ts'

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
const LISTED = `${HEADER}
    1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 81234 2 0000000000000000 0
   58: 00000000000000000000000000000000:003A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 0
`

test('sockets are read from the lists of the kernel, of both families', () => {
  const unknown = { cookie: 0n, cgroup: 0 }
  expect(readSocketList(LISTED)).toEqual([
    { port: 1, uid: 1000, inode: 81234, ...unknown },
    { port: 0x3a, uid: 0, inode: 99, ...unknown },
  ])
})

test('what is no socket, or of a process that has closed it, is none', () => {
  const closed = LISTED.replace('81234', '0').replace(' 99 ', ' x ')
  for (const text of ['', HEADER, closed, LISTED.slice(0, HEADER.length + 20)]) expect(readSocketList(text)).toEqual([])
})
