// Which process has a socket open, and what it is.
#pragma once

#include <napi.h>

namespace spn {

// findOpenSockets(pid, inodes, knownMark) -> { sockets: [{ inode, descriptor }], startTime, mark?, texts? } | undefined
// Undefined if the process has none of them open. `texts` only if the mark is another one than the known one; without
// `mark` the process ended while it was looked at.
Napi::Value findOpenSockets(const Napi::CallbackInfo& info);

// hasOpenSocket(pid, inode, descriptor, mark) -> boolean
// Is it still this process, this program, and its socket?
Napi::Value hasOpenSocket(const Napi::CallbackInfo& info);

}  // namespace spn
