// How soon the scheduler runs a thread.
#pragma once

#include <napi.h>

namespace spn {

// hurryThread(nice, sliceMicroseconds): of the calling thread.
Napi::Value hurryThread(const Napi::CallbackInfo& info);

}  // namespace spn
