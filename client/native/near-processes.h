// Processes that had sockets lately, kept at hand, so that it costs some microseconds to see that one has the next.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "process-texts.h"

namespace spn {

// JavaScript: new NearProcesses(). Only places of open files are looked at at which the process had a socket before,
// and the one behind the last. Holds a few descriptors for each process.
class NearProcesses : public Napi::ObjectWrap<NearProcesses> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit NearProcesses(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NearProcesses>(info) {}

 private:
  struct Near {
    std::unique_ptr<ProcessHandle> process;
    uint32_t pid;
    std::string mark;
    // The last one first.
    std::vector<uint32_t> descriptors;

    void remember(uint32_t descriptor);
    // Of this many steps; false where there is nothing to look at.
    bool descriptorAt(size_t step, uint32_t& descriptor) const;
    bool isSame() const;
  };
  struct Hit {
    size_t near;
    uint32_t inode;
    uint32_t descriptor;
  };

  Napi::Value remember(const Napi::CallbackInfo& info);
  Napi::Value find(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::vector<Hit> look(std::vector<uint32_t>& wanted) const;

  // The last one first.
  std::vector<Near> near_;
};

}  // namespace spn
