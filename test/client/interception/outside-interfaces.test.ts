import { expect, test } from '@jest/globals'
import { defaultRoutes4, defaultRoutes6 } from '../../../client/interception/outside-interfaces.ts'

const ROUTES_4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010012C6	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
tun0	00000000	00000000	0001	0	0	0	00000080	0	0	0
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
`
const ZERO = '0'.repeat(32)
const ROUTES_6 = `20010db8000000000000000000000000 40 ${ZERO} 00 ${ZERO} 00000100 00000001 00000000 00000001     eth0
${ZERO} 00 ${ZERO} 00 20010db8000000000000000000000001 00000400 00000003 00000000 00000003     eth1
${ZERO} 00 ${ZERO} 00 ${ZERO} ffffffff 00000001 00000000 00200200       lo
00000000000000000000000000000001 80 ${ZERO} 00 ${ZERO} 00000000 00000003 00000000 80200001       lo
`

test('outside is where default routes lead, and nowhere else', () => {
  expect(defaultRoutes4(ROUTES_4)).toEqual(['eth0', 'wlan0'])
  expect(defaultRoutes6(ROUTES_6)).toEqual(['eth1'])
  expect(defaultRoutes4('')).toEqual([])
  expect(defaultRoutes6('\n')).toEqual([])
})
