import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Destination, destinationFolder } from './destinations.ts'
import type { Host } from './host.ts'

const PORT = 443

export interface CaddyOptions {
  /** What it proves its names and addresses with, as PEM. */
  readonly certificate: { readonly cert: string; readonly key: string }
  /** Folder with the files that it offers. */
  readonly files: string
}

/**
 * The web server Caddy on HTTPS, by HTTP/1.1, HTTP/2 and HTTP/3:
 *
 *     GET /address    the caller's address as the server sees it, a space and the protocol: `198.18.5.2 HTTP/3.0`
 *     GET /seen.js    a script that hands both to the function `seen` of the page
 *     GET /...        the file
 *
 * It writes a line of JSON for each request.
 */
export async function serveCaddy(
  world: { readonly folder: string },
  host: Host,
  { certificate, files }: CaddyOptions,
): Promise<Destination> {
  const folder = destinationFolder(world.folder, 'caddy')
  const file = (name: string): string => join(folder, name)
  writeFileSync(file('cert.pem'), certificate.cert)
  writeFileSync(file('key.pem'), certificate.key)
  writeFileSync(file('Caddyfile'), configuration(folder, files, host.dnsName))
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  const process = host.spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', file('Caddyfile')], { env })
  await process.line(/serving initial configuration/)
  return { process, name: host.dnsName, port: PORT }
}

function configuration(folder: string, files: string, name: string): string {
  return `
{
	admin off
	auto_https off
	default_sni ${name}
}
:${PORT} {
	tls ${folder}/cert.pem ${folder}/key.pem
	log
	header Timing-Allow-Origin *
	handle /address {
		respond "{remote_host} {http.request.proto}"
	}
	handle /seen.js {
		header Content-Type text/javascript
		respond \`seen("{host}", "{remote_host} {http.request.proto}")\`
	}
	handle {
		root * ${files}
		file_server
	}
}
`
}
