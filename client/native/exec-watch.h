// Programs as they are started, remembered for a while after they have ended.
#pragma once

#include <napi.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "netlink.h"
#include "process-texts.h"

namespace spn {

// JavaScript: new ExecWatch({ maxPrograms, keepMs }). A thread of its own reads the kernel's process events, because a
// program may have ended a millisecond after it was started.
class ExecWatch : public Napi::ObjectWrap<ExecWatch> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ExecWatch(const Napi::CallbackInfo& info);
  ~ExecWatch() override { stop(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Program {
    ProcessTexts texts;
    // Set when it has ended.
    bool isOver = false;
    Clock::time_point over;
  };

  Napi::Value find(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  int subscribe();
  void run();
  void onExec(uint32_t pid);
  void onExit(uint32_t pid);
  void forgetOld(Clock::time_point now);
  void stop();

  NetlinkSocket socket_;
  size_t maxPrograms_ = 0;
  std::chrono::milliseconds keep_{0};
  std::atomic<bool> isStopping_{false};
  std::thread thread_;
  std::mutex mutex_;
  std::unordered_map<uint32_t, Program> programs_;
  // Those that have ended, in that order.
  std::deque<uint32_t> ended_;
};

}  // namespace spn
