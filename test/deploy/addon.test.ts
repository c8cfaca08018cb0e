import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { expect, test } from '@jest/globals'
import { gypEnvironment } from '../../deploy/setup/addon.mjs'

const PRINT_NODEDIR = `
  import gyp from ${JSON.stringify(pathToFileURL('node_modules/node-gyp/lib/node-gyp.js').href)}
  const program = gyp()
  program.parseArgv(['node', 'node-gyp', 'rebuild', '--nodedir=/headers/of/the/project'])
  console.log(program.opts.nodedir)
`

function nodedirOf(env: Record<string, string | undefined>): string {
  return spawnSync(process.execPath, ['--input-type=module', '-e', PRINT_NODEDIR], {
    encoding: 'utf8',
    env,
  }).stdout.trim()
}

test.each(['npm_config_nodedir', 'NPM_CONFIG_NODEDIR', 'npm_package_config_node_gyp_nodedir'])(
  "the headers of another Node in a user's %s do not reach the build of the addons",
  (name) => {
    const env = { PATH: process.env.PATH, [name]: '/usr' }
    expect(nodedirOf(env)).toBe('/usr')
    expect(nodedirOf(gypEnvironment(env))).toBe('/headers/of/the/project')
  },
)

test('the rest of the environment stays as it is', () => {
  expect(gypEnvironment({ PATH: '/bin', npm_config_python: '/usr/bin/python3' })).toEqual({
    PATH: '/bin',
    npm_config_python: '/usr/bin/python3',
  })
})
