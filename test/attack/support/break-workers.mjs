// Loaded into a program by NODE_OPTIONS=--import: with SIGUSR2 all its threads but the first end, as if they had crashed.
const workers = []
process.on('worker', (worker) => workers.push(worker))
process.on('SIGUSR2', () => {
  for (const worker of workers) void worker.terminate()
})
