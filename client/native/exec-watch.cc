#include "exec-watch.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>

#include <cerrno>
#include <cstring>

#include "errno-error.h"
#include "process-object.h"

namespace spn {
namespace {

constexpr size_t kReceiveBytes = 16 * 1024;
constexpr int kReceiveBuffer = 1024 * 1024;
// How long the thread may need to see that it shall end.
constexpr int kWaitMs = 100;
constexpr int kAnswerTimeoutMs = 1000;

}  // namespace

Napi::Function ExecWatch::define(Napi::Env env) {
  return DefineClass(env, "ExecWatch",
                     {
                         InstanceMethod<&ExecWatch::find>("find"),
                         InstanceMethod<&ExecWatch::close>("close"),
                     });
}

ExecWatch::ExecWatch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ExecWatch>(info) {
  const auto options = info[0].As<Napi::Object>();
  maxPrograms_ = options.Get("maxPrograms").ToNumber().Uint32Value();
  keep_ = std::chrono::milliseconds(options.Get("keepMs").ToNumber().Uint32Value());
  int result = socket_.open(NETLINK_CONNECTOR, CN_IDX_PROC);
  if (result == 0) {
    socket_.setReceiveBuffer(kReceiveBuffer);
    result = subscribe();
  }
  if (result < 0) {
    socket_.close();
    errnoError(info.Env(), -result, "programs cannot be watched").ThrowAsJavaScriptException();
    return;
  }
  thread_ = std::thread([this] { run(); });
}

// The kernel answers by an event that says whether it may be.
int ExecWatch::subscribe() {
  const proc_cn_mcast_op operation = PROC_CN_MCAST_LISTEN;
  cn_msg header = {};
  header.id = {CN_IDX_PROC, CN_VAL_PROC};
  header.len = sizeof operation;
  uint8_t body[sizeof header + sizeof operation];
  std::memcpy(body, &header, sizeof header);
  std::memcpy(body + sizeof header, &operation, sizeof operation);
  std::vector<uint8_t> message;
  NetlinkWriter writer(message);
  writer.beginWith(NLMSG_DONE, 0, body, sizeof body);
  writer.end();
  const int result = socket_.send(message);
  return result < 0 ? result : socket_.wait(kAnswerTimeoutMs);
}

void ExecWatch::run() {
  std::vector<uint8_t> buffer(kReceiveBytes);
  while (!isStopping_) {
    const int length = socket_.receive(buffer.data(), buffer.size());
    if (length == -ENOBUFS) continue;
    if (length < 0) {
      if (length != -EAGAIN) return;
      socket_.wait(kWaitMs);
      continue;
    }
    forEachMessage(buffer.data(), length, [this](const nlmsghdr* message) {
      if (message->nlmsg_len < NLMSG_LENGTH(sizeof(cn_msg) + sizeof(proc_event))) return;
      proc_event event;
      std::memcpy(&event, static_cast<const cn_msg*>(NLMSG_DATA(message))->data, sizeof event);
      if (event.what == proc_event::PROC_EVENT_EXEC) {
        onExec(static_cast<uint32_t>(event.event_data.exec.process_tgid));
      }
      const auto& exit = event.event_data.exit;
      if (event.what == proc_event::PROC_EVENT_EXIT && exit.process_pid == exit.process_tgid) {
        onExit(static_cast<uint32_t>(exit.process_tgid));
      }
    });
  }
}

void ExecWatch::onExec(uint32_t pid) {
  Program program;
  const ProcessHandle process(pid);
  const bool isRead = process.isOpen() && process.readAll(program.texts);
  const std::lock_guard<std::mutex> lock(mutex_);
  forgetOld(Clock::now());
  programs_.erase(pid);
  if (isRead && programs_.size() < maxPrograms_) programs_.emplace(pid, std::move(program));
}

void ExecWatch::onExit(uint32_t pid) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = programs_.find(pid);
  if (found == programs_.end()) return;
  found->second.isOver = true;
  found->second.over = Clock::now();
  ended_.push_back(pid);
  forgetOld(found->second.over);
}

void ExecWatch::forgetOld(Clock::time_point now) {
  while (!ended_.empty()) {
    const auto found = programs_.find(ended_.front());
    // The pid is another program's by now, which may live.
    const bool isTheirs = found != programs_.end() && found->second.isOver;
    if (isTheirs && now - found->second.over < keep_ && ended_.size() < maxPrograms_) return;
    if (isTheirs) programs_.erase(found);
    ended_.pop_front();
  }
}

// find(pid, startTime): the program that this process was started as last, unless that is too long ago.
Napi::Value ExecWatch::find(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t pid = info[0].ToNumber().Uint32Value();
  const std::string startTime = info[1].ToString().Utf8Value();
  const std::lock_guard<std::mutex> lock(mutex_);
  forgetOld(Clock::now());
  const auto found = programs_.find(pid);
  if (found == programs_.end() || found->second.texts.startTime != startTime) return env.Undefined();
  return Napi::Value(env, processObject(env, found->second.texts).result());
}

Napi::Value ExecWatch::close(const Napi::CallbackInfo& info) {
  stop();
  return info.Env().Undefined();
}

void ExecWatch::stop() {
  isStopping_ = true;
  if (thread_.joinable()) thread_.join();
  socket_.close();
}

}  // namespace spn
