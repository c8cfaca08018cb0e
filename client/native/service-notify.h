// What a service tells the system's manager of services.
#pragma once

#include <napi.h>

namespace spn {

// notifyService(socket, message)
Napi::Value notifyService(const Napi::CallbackInfo& info);

}  // namespace spn
