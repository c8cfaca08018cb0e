// What was read of a process, as a JavaScript object.
#pragma once

#include <node_api.h>

#include "object-builder.h"
#include "process-texts.h"

namespace spn {

inline ObjectBuilder processObject(napi_env env, const ProcessTexts& texts) {
  ObjectBuilder object(env);
  object.set("exe", texts.exe);
  object.set("cwd", texts.cwd);
  object.set("commandLine", texts.commandLine);
  object.set("status", texts.status);
  object.set("cgroup", texts.cgroup);
  object.set("environment", texts.environment);
  object.set("flatpakInfo", texts.flatpakInfo);
  object.setFlag("isElsewhere", texts.isElsewhere);
  return object;
}

}  // namespace spn
