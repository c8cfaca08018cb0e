import { createHash, X509Certificate } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { throwAwayCertificate } from '../../support/throw-away-certificate.ts'
import { type GitRepository, makeRepository } from '../../world/git-destination.ts'
import type { Host } from '../../world/host.ts'
import { seededData } from '../../world/seeded-data.ts'
import { giveToVisitor } from '../../world/ssh-destination.ts'

/** What all web servers of a test offer, and what programs know them by. */
export interface WebSite {
  readonly files: string
  readonly repository: GitRepository
  readonly certificate: { readonly cert: string; readonly key: string }
  readonly certificateFile: string
  /** The hash that Chromium knows their public key by. */
  readonly publicKeyHash: string
}

/** On each server: the script that says who asks for it, a style sheet, and pictures. */
const PICTURES = [1, 2, 3, 4]
/** The page, from servers of both families, and of one. */
const PAGES = [
  ['page.html', ''],
  ['page4.html', 'ipv4.'],
  ['page6.html', 'ipv6.'],
] as const
const PICTURE_BYTES = 40_000
export const THINGS_OF_A_SERVER = 2 + PICTURES.length

/**
 * @param page hosts that the page has things from
 * @param servers all that the certificate is for, by names and addresses
 */
export async function makeWebSite(folder: string, page: readonly Host[], servers: readonly Host[]): Promise<WebSite> {
  const files = join(folder, 'site')
  mkdirSync(files)
  writeFileSync(join(files, 'style.css'), 'img { width: 10px; height: 10px }\n')
  for (const number of PICTURES) writeFileSync(join(files, `picture${number}.svg`), picture(`${number}`))
  for (const [name, prefix] of PAGES) {
    writeFileSync(join(files, name), pageText(page.map(({ dnsName }) => `${prefix}${dnsName}`)))
  }
  const alternatives = servers.flatMap(({ dnsName, ipv4, ipv6 }) => [dnsName, `*.${dnsName}`, ipv4, ipv6])
  const certificate = await throwAwayCertificate('servers of the world', alternatives)
  const certificateFile = join(folder, 'servers.pem')
  writeFileSync(certificateFile, certificate.cert)
  const publicKey = new X509Certificate(certificate.cert).publicKey.export({ type: 'spki', format: 'der' })
  const publicKeyHash = createHash('sha256').update(publicKey).digest('base64')
  const repository = await makeRepository(files)
  giveToVisitor(repository.path)
  return { files, repository, certificate, certificateFile, publicKeyHash }
}

/** Its text becomes a line for each server: name, address of who asks, protocol. */
function pageText(names: readonly string[]): string {
  const things = names.map(
    (name) => `
<link rel="stylesheet" href="https://${name}/style.css">
${PICTURES.map((number) => `<img src="https://${name}/picture${number}.svg">`).join('\n')}
<script src="https://${name}/seen.js"></script>`,
  )
  return `<!doctype html>
<title>A page of the world</title>
<link rel="icon" href="data:,">
<body>
<script>const seen = (...words) => document.body.append(words.join(' '), document.createElement('br'))</script>
${things.join('\n')}
`
}

/** A picture that is as large as photos of pages are. */
function picture(seed: string): string {
  const ballast = Buffer.from(seededData(seed, PICTURE_BYTES / 2)).toString('hex')
  return `<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><!-- ${ballast} --></svg>\n`
}
