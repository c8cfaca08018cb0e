import { parseHex, toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { formatEndpoint } from '../shared/base/ip-address.ts'
import type { ControlHandler } from '../shared/control/control-server.ts'
import { HUB_ID_BYTES } from '../shared/crypto/hub-key.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import { flagNames } from './map-export.ts'
import type { SelfReport } from './self-report.ts'

/** Where commands reach the directory of this folder. */
export function controlSocket(stateDir: string): string {
  return `${stateDir}/control.sock`
}

/** Answers `status` and `hub`. */
export function directoryCommands(report: SelfReport): ControlHandler {
  return (command, request) => {
    if (command === 'status') return statusOf(report)
    if (command === 'hub') return hubOf(report, request.id)
    throw new Fault('options-invalid')
  }
}

async function statusOf(report: SelfReport): Promise<object> {
  const { mapHash, ...facts } = await report.status()
  return { key: toHex(report.key), mapHash: mapHash && toHex(mapHash), ...facts }
}

async function hubOf(report: SelfReport, id: unknown): Promise<object> {
  const hubId = typeof id === 'string' ? parseHex(id) : undefined
  if (hubId?.length !== HUB_ID_BYTES) {
    throw new Fault('options-invalid', {
      mistakes: 'hub: expected an id of 64 hexadecimal digits, as the hub logs it at its start',
    })
  }
  const found = await report.viewOf(hubId)
  if (found === undefined) {
    const state = (await report.isUnproved(hubId))
      ? 'announced, and not reached at any address yet: is its port open from outside?'
      : 'unknown: no descriptor of it came, or it expired; the log of the hub says whether one was refused'
    return { hub: toHex(hubId), state }
  }
  const { hub, sequence, judgement, leftOut } = found
  return {
    hub: toHex(hubId),
    state: report.isInMap(hubId) ? 'in the map' : 'not in the map',
    leftOut: leftOut ?? (report.isInMap(hubId) ? undefined : LEFT_OUT_BY_OTHERS),
    listed: judgement.entry && `${judgement.entry.verdict}: ${judgement.entry.reason}`,
    ...{ sequence, operator: hub.operator, family: hub.family, version: hub.version },
    flags: flagNames(hub.flags),
    country: hub.location.place.country,
    asn: hub.location.asn,
    addresses: (await report.probes(hubId)).map(({ address, reachedAt, provenSince, failures }) => ({
      address: endpoint(address),
      ...{ provenSince: timeOf(provenSince), lastReached: timeOf(reachedAt), failuresSince: failures },
    })),
  }
}

const LEFT_OUT_BY_OTHERS =
  'it comes with the next map, or too few directories reached it, or there are too many older hubs in its block, family or operator'

function endpoint({ ip, port }: LinkAddress): string {
  return formatEndpoint(ip, port)
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
