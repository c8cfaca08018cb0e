// Making the kernel forget tracked connections.
#pragma once

#include <napi.h>

namespace spn {

// forgetConnections(mark, mask)
Napi::Value forgetConnections(const Napi::CallbackInfo& info);

}  // namespace spn
