import { describe, expect, test } from '@jest/globals'
import { type DirectoryConfig, directoryOptionsSchema } from '../../directory/options.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { faultOf } from '../support/fault-of.ts'

const CONFIG: DirectoryConfig = { networkFile: 'network.json', stateDir: 'state', listen: '127.0.0.1:8080' }
const parse = (config: unknown) => parseOptions(directoryOptionsSchema, config, 'directory.json')

describe('the options of a directory', () => {
  test('that are left out have values that work', () => {
    expect(parse(CONFIG)).toEqual({
      networkFile: 'network.json',
      stateDir: 'state',
      listen: { ip: Uint8Array.of(127, 0, 0, 1), port: 8080 },
      ...{
        epochSeconds: 3600,
        mapLifeEpochs: 3,
        probeSeconds: 600,
        addressScope: [],
        trustedProxies: [],
        logLevel: 'info',
      },
      geo: { overridesOnly: false },
      limits: {
        ...{ hubs: 20_000, newHubsPerBlock: 8, descriptorsPerMinutePerHub: 6, descriptorsPerMinutePerSender: 60 },
        ...{ requestsPerMinutePerSender: 1_200, hubsPerFamily: 256, hubsPerOperator: 256 },
        ...{ hubsPerIpv4Slash24: 4, hubsPerIpv4Slash16: 64, hubsPerIpv6Slash48: 4, hubsPerIpv6Slash32: 64 },
      },
    })
  })

  test('with many mistakes are refused with all of them', () => {
    const config = {
      networkFile: '',
      listen: 'localhost:80',
      ...{ epochSeconds: 0, mapLifeEpochs: 1, probeSeconds: 1.5, logLevel: 'trace', secret: true },
      addressScope: ['198.18.0.0/15', '10.0.0.1/8'],
      geo: { overrides: 'x' },
      limits: { hubs: 20_001, descriptorsPerMinutePerHub: 0, hubsPerFamily: 0 },
      minimumVersion: 'new',
      lists: { file: 'lists', operatorKey: 'ab' },
    }
    const mistakes = String(faultOf(() => parse(config)).details.mistakes).split('\n')
    expect(mistakes.map((mistake) => mistake.split(':')[0]).toSorted()).toEqual(
      [
        ...['networkFile', 'stateDir', 'listen', 'epochSeconds', 'mapLifeEpochs', 'probeSeconds', 'logLevel'],
        ...[
          'addressScope[1]',
          'geo',
          'limits.hubs',
          'limits.descriptorsPerMinutePerHub',
          'limits.hubsPerFamily',
          'minimumVersion',
          'lists.operatorKey',
          'unknown option "secret"',
        ],
      ].toSorted(),
    )
  })
})
