#include "thread-priority.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "errno-error.h"

namespace spn {
namespace {

// sched_setattr(2), which the C library does not have everywhere.
struct SchedAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};

}  // namespace

Napi::Value hurryThread(const Napi::CallbackInfo& info) {
  SchedAttributes attributes = {};
  attributes.size = sizeof attributes;
  attributes.nice = info[0].ToNumber().Int32Value();
  attributes.runtime = info[1].ToNumber().Uint32Value() * uint64_t{1000};
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) {
    errnoError(info.Env(), errno, "the thread is not put in front").ThrowAsJavaScriptException();
  }
  return info.Env().Undefined();
}

}  // namespace spn
