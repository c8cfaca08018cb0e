import { describe, expect, test } from '@jest/globals'
import { scriptOf } from '../../../client/apps/script-text.ts'

const CWD = '/home/ann'
const words = (...all: string[]) => all.map((word) => `${word}\0`).join('')

describe('the script of an interpreter', () => {
  test.each([
    ['/usr/bin/python3.11', words('python3', 'tool.py', 'x'), '/home/ann/tool.py'],
    ['/usr/bin/python3', words('python3', '-u', '-W', 'ignore', '../b.py'), '/home/b.py'],
    ['/usr/bin/python3', words('python3', '-m', 'http.server'), '-m http.server'],
    ['/usr/bin/python3', words('python3', '-c', 'import x', 'a.py'), undefined],
    ['/usr/bin/python3', words('python3', '-'), undefined],
    ['/usr/bin/python3', words('python3'), undefined],
    ['/usr/bin/node', words('node', '--import', 'x', '/srv/a.js'), '/srv/a.js'],
    ['/usr/bin/node', words('node', '--no-warnings', '--', 'a.js'), '/home/ann/a.js'],
    ['/usr/bin/node', words('node', '-e', '1'), undefined],
    ['/bin/bash', words('bash', '-o', 'pipefail', 'a.sh'), '/home/ann/a.sh'],
    ['/bin/bash', words('bash', '-c', 'curl x'), undefined],
    ['/usr/bin/perl5.36', words('perl', '-I', 'lib', 'a.pl'), '/home/ann/a.pl'],
    ['/usr/bin/java', words('java', '-cp', 'a.jar', 'Main'), undefined],
    ['/usr/bin/java', words('java', '-Xmx1g', '-jar', 'a.jar'), '/home/ann/a.jar'],
    ['/usr/bin/curl', words('curl', 'a.py'), undefined],
    ['/usr/bin/python3', words('python3', 'a\nb.py'), undefined],
    ['/usr/bin/python3', words('python3', '').concat(words('a.py')), undefined],
    ['/usr/bin/python3', 'python3\0a.p', undefined],
    ['/usr/bin/python3', '', undefined],
  ])('%s %j', (path, commandLine, script) => {
    expect(scriptOf(path, CWD, commandLine)).toBe(script)
  })

  test('without a folder that it runs in is known only by a whole path', () => {
    expect(scriptOf('/usr/bin/python3', '', words('python3', 'a.py'))).toBeUndefined()
    expect(scriptOf('/usr/bin/python3', '', words('python3', '/a.py'))).toBe('/a.py')
  })
})
