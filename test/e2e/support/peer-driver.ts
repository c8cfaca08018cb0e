/**
 * A page of Chromium that talks to other browsers by WebRTC, on command.
 *
 *     node peer-driver.ts [FLAG OF CHROMIUM...]
 *
 * Writes `ready`; then takes a line of JSON `{ "id", "call", "args" }`, calls this function of `PAGE`, and writes one
 * `{ "id", "value" }` or `{ "id", "failure" }`.
 */
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

/** Runs in the page. Each `offer` and `answer` begins anew. */
const PAGE = `
let peer, heard
const bare = (address) => (address ?? '').replace(/^\\[|\\]$/g, '')
const gathered = () => new Promise((resolve) => {
  const look = () => peer.iceGatheringState === 'complete' && resolve()
  peer.addEventListener('icegatheringstatechange', look)
  look()
})
const begin = (servers) => {
  peer?.close()
  peer = new RTCPeerConnection({ iceServers: servers.map((urls) => ({ urls })) })
  peer.candidates = []
  peer.addEventListener('icecandidate', ({ candidate }) => candidate?.address && peer.candidates.push({
    type: candidate.type, address: bare(candidate.address), related: bare(candidate.relatedAddress),
  }))
}
const describe = async (description) => {
  await peer.setLocalDescription(description)
  await gathered()
  return { sdp: peer.localDescription.sdp, candidates: peer.candidates }
}
window.calls = {
  async offer(servers) {
    begin(servers)
    const channel = peer.createDataChannel('talk')
    channel.onopen = () => channel.send('hello')
    heard = new Promise((resolve) => { channel.onmessage = ({ data }) => resolve(data) })
    return describe(await peer.createOffer())
  },
  async answer(sdp) {
    begin([])
    peer.ondatachannel = ({ channel }) => { channel.onmessage = ({ data }) => channel.send('you said ' + data) }
    await peer.setRemoteDescription({ type: 'offer', sdp })
    return describe(await peer.createAnswer())
  },
  async accept(sdp) {
    await peer.setRemoteDescription({ type: 'answer', sdp })
    return heard
  },
  async otherEnd() {
    const stats = await peer.getStats()
    const pair = [...stats.values()].find(({ type, nominated }) => type === 'candidate-pair' && nominated)
    return bare(stats.get(pair?.remoteCandidateId)?.address)
  },
}`

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  headless: true,
  chromiumSandbox: false,
  args: ['--disable-gpu', '--no-first-run', '--disable-background-networking', ...process.argv.slice(2)],
})
const page = await browser.newPage()
await page.evaluate(PAGE)
console.log('ready')
for await (const line of createInterface({ input: process.stdin })) void obey(JSON.parse(line))
await browser.close()

async function obey({ id, call, args }: { id: number; call: string; args: unknown[] }): Promise<void> {
  try {
    const value = await page.evaluate(`calls[${JSON.stringify(call)}](...${JSON.stringify(args)})`)
    console.log(JSON.stringify({ id, value }))
  } catch (error) {
    console.log(JSON.stringify({ id, failure: (error as Error).message }))
  }
}
