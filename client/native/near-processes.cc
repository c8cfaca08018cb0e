#include "near-processes.h"

#include <algorithm>

namespace spn {
namespace {

// What is looked at is bounded: it is done while connections wait.
constexpr size_t kMaxProcesses = 16;
constexpr size_t kMaxDescriptors = 8;
constexpr size_t kSteps = kMaxDescriptors + 1;
// Where all that fails, so many more places in all, and so far behind the last that is known.
constexpr size_t kMaxScanned = 128;
constexpr uint32_t kScanBehind = 8;

}  // namespace

// A program gets the lowest number that is free: one that it had before, or the next.
bool NearProcesses::Near::descriptorAt(size_t step, uint32_t& descriptor) const {
  const size_t at = step == 0 ? 0 : step - 1;
  if (at >= descriptors.size()) return false;
  descriptor = descriptors[at] + (step == 1 ? 1 : 0);
  return true;
}

void NearProcesses::Near::remember(uint32_t descriptor) {
  const auto known = std::find(descriptors.begin(), descriptors.end(), descriptor);
  if (known != descriptors.end()) descriptors.erase(known);
  descriptors.insert(descriptors.begin(), descriptor);
  if (descriptors.size() > kMaxDescriptors) descriptors.pop_back();
}

bool NearProcesses::Near::isSame() const {
  ProcessTexts texts;
  return process->readMark(texts) && texts.mark == mark;
}

Napi::Function NearProcesses::define(Napi::Env env) {
  return DefineClass(env, "NearProcesses",
                     {
                         InstanceMethod<&NearProcesses::remember>("remember"),
                         InstanceMethod<&NearProcesses::find>("find"),
                         InstanceMethod<&NearProcesses::close>("close"),
                     });
}

// remember(pid, mark, descriptor)
Napi::Value NearProcesses::remember(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[1].IsString()) {
    Napi::TypeError::New(env, "remember needs a pid, a mark and a descriptor").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const uint32_t pid = info[0].ToNumber().Uint32Value();
  const std::string mark = info[1].As<Napi::String>().Utf8Value();
  const auto known = std::find_if(near_.begin(), near_.end(), [pid](const Near& near) { return near.pid == pid; });
  if (known != near_.end() && known->mark == mark) {
    std::rotate(near_.begin(), known, known + 1);
  } else {
    if (known != near_.end()) near_.erase(known);
    auto process = std::make_unique<ProcessHandle>(pid);
    if (!process->isOpen()) return env.Undefined();
    near_.insert(near_.begin(), Near{std::move(process), pid, mark, {}});
    if (near_.size() > kMaxProcesses) near_.pop_back();
  }
  near_.front().remember(info[2].ToNumber().Uint32Value());
  return env.Undefined();
}

// Takes what it finds out of `wanted`. The likeliest place of every process comes before the next one of any.
std::vector<NearProcesses::Hit> NearProcesses::look(std::vector<uint32_t>& wanted) const {
  std::vector<Hit> hits;
  for (size_t step = 0; step < kSteps; step++) {
    for (size_t at = 0; at < near_.size(); at++) {
      if (wanted.empty()) return hits;
      uint32_t descriptor = 0;
      if (!near_[at].descriptorAt(step, descriptor)) continue;
      // Where one is, others of the same moment are behind it.
      for (; !wanted.empty(); descriptor++) {
        const auto found = std::find(wanted.begin(), wanted.end(), near_[at].process->socketAt(descriptor));
        if (found == wanted.end()) break;
        hits.push_back({at, *found, descriptor});
        wanted.erase(found);
      }
    }
  }
  // A program that has many open at a time gets numbers that it had longer ago.
  size_t scanned = 0;
  for (size_t at = 0; at < near_.size(); at++) {
    const auto& known = near_[at].descriptors;
    const uint32_t end = *std::max_element(known.begin(), known.end()) + kScanBehind;
    for (uint32_t descriptor = *std::min_element(known.begin(), known.end()); descriptor < end; descriptor++) {
      if (wanted.empty() || scanned++ == kMaxScanned) return hits;
      const auto found = std::find(wanted.begin(), wanted.end(), near_[at].process->socketAt(descriptor));
      if (found == wanted.end()) continue;
      hits.push_back({at, *found, descriptor});
      wanted.erase(found);
    }
  }
  return hits;
}

// find(inodes): three numbers for each that was found: inode, pid and descriptor.
Napi::Value NearProcesses::find(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsTypedArray()) {
    Napi::TypeError::New(env, "find needs inodes").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto inodes = info[0].As<Napi::Uint32Array>();
  std::vector<uint32_t> wanted(inodes.Data(), inodes.Data() + inodes.ElementLength());
  const std::vector<Hit> hits = look(wanted);
  Napi::Array found = Napi::Array::New(env);
  uint32_t count = 0;
  std::vector<bool> isOver(near_.size());
  for (size_t at = 0; at < near_.size(); at++) {
    const auto isHere = [at](const Hit& hit) { return hit.near == at; };
    if (std::none_of(hits.begin(), hits.end(), isHere)) continue;
    // It had the socket before its mark was read and has it after: so that is what had it in between.
    isOver[at] = !near_[at].isSame();
    for (const Hit& hit : hits) {
      if (!isHere(hit) || isOver[at] || !near_[at].process->hasOpen({hit.inode, hit.descriptor})) continue;
      near_[at].remember(hit.descriptor);
      for (const uint32_t number : {hit.inode, near_[at].pid, hit.descriptor}) found.Set(count++, number);
    }
  }
  for (size_t at = near_.size(); at-- > 0;)
    if (isOver[at]) near_.erase(near_.begin() + static_cast<std::ptrdiff_t>(at));
  return found;
}

Napi::Value NearProcesses::close(const Napi::CallbackInfo& info) {
  near_.clear();
  return info.Env().Undefined();
}

}  // namespace spn
