import net from 'node:net'
import { expect, test } from '@jest/globals'
import { BLOCK_PORTS, BLOCKS, FIRST_PORT, freePort } from './free-port.ts'

test('free ports are different ones, also those that were asked for at once, and none that the system gives by chance', async () => {
  const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
  const ports = await Promise.all(Array.from({ length: BLOCK_PORTS / 2 }, (_, i) => freePort(hosts[i % 3] as string)))
  expect(new Set(ports).size).toBe(BLOCK_PORTS / 2)
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(FIRST_PORT)
  expect(Math.max(...ports)).toBeLessThan(FIRST_PORT + BLOCKS * BLOCK_PORTS)
  expect(FIRST_PORT + BLOCKS * BLOCK_PORTS).toBeLessThanOrEqual(32_768)
})

test('a port that somebody listens on is not given', async () => {
  const taken = await freePort('127.0.0.1')
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: taken }, resolve))
  const others = []
  for (let i = 1; i <= BLOCK_PORTS; i++) others.push(await freePort('127.0.0.1'))
  expect(others).not.toContain(taken)
  server.close()
})

test('an address that this computer does not have is said', async () => {
  await expect(freePort('192.0.2.1')).rejects.toMatchObject({ code: 'address-unavailable' })
})
