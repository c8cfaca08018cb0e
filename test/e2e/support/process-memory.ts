import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const CHUNK = 4 << 20

/**
 * Which of these byte strings stand anywhere in the writable memory of a process, as the names they were given. Reads
 * /proc/PID/mem, so it needs to be root, and sees what the process knows, not what it says.
 */
export function findInMemory(pid: number, wanted: Readonly<Record<string, Uint8Array>>): string[] {
  const found = new Set<string>()
  const names = Object.keys(wanted)
  const overlap = Math.max(...names.map((name) => (wanted[name] as Uint8Array).length))
  const fd = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const [start, end] of writableRanges(pid)) {
      const chunk = Buffer.alloc(CHUNK + overlap)
      for (let at = start; at < end; at += CHUNK) {
        const length = readMemory(fd, chunk, at, Math.min(CHUNK + overlap, end - at))
        const bytes = chunk.subarray(0, length)
        for (const name of names) if (bytes.includes(Buffer.from(wanted[name] as Uint8Array))) found.add(name)
      }
    }
  } finally {
    closeSync(fd)
  }
  return [...found].sort()
}

function writableRanges(pid: number): [number, number][] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
  return lines.flatMap((line): [number, number][] => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line)
    return match === null ? [] : [[Number.parseInt(match[1] as string, 16), Number.parseInt(match[2] as string, 16)]]
  })
}

/** Pages that are gone meanwhile give nothing. */
function readMemory(fd: number, into: Buffer, at: number, length: number): number {
  try {
    return readSync(fd, into, 0, length, at)
  } catch {
    return 0
  }
}
