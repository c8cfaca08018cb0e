#include "process-search.h"

#include "process-object.h"

namespace spn {

Napi::Value findOpenSockets(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[1].IsTypedArray()) {
    Napi::TypeError::New(env, "findOpenSockets needs a pid and inodes").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto inodes = info[1].As<Napi::Uint32Array>();
  const std::unordered_set<uint32_t> wanted(inodes.Data(), inodes.Data() + inodes.ElementLength());
  const ProcessHandle process(info[0].ToNumber().Uint32Value());
  if (!process.isOpen()) return env.Undefined();
  const std::vector<ProcessHandle::OpenSocket> open = process.openSockets(wanted);
  if (open.empty()) return env.Undefined();

  ProcessTexts texts;
  const bool isMarked = process.readMark(texts);
  const bool isKnown = isMarked && info[2].IsString() && info[2].As<Napi::String>().Utf8Value() == texts.mark;
  const bool isRead = isMarked && (isKnown || process.readAll(texts));

  napi_value sockets = nullptr;
  if (napi_create_array(env, &sockets) != napi_ok) return env.Undefined();
  uint32_t count = 0;
  for (const auto& socket : open) {
    // It may have become another program since, and closed it.
    if (isRead && !process.hasOpen(socket)) continue;
    ObjectBuilder object(env);
    object.set("inode", socket.inode);
    object.set("descriptor", socket.descriptor);
    if (object.result() != nullptr) napi_set_element(env, sockets, count++, object.result());
  }
  ObjectBuilder result(env);
  result.set("sockets", sockets);
  result.set("startTime", texts.startTime);
  if (isRead) result.set("mark", texts.mark);
  if (isRead && !isKnown) result.setNested("texts", processObject(env, texts));
  return Napi::Value(env, result.result());
}

Napi::Value hasOpenSocket(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto number = [&info](size_t at) { return info[at].ToNumber().Uint32Value(); };
  const ProcessHandle process(number(0));
  ProcessTexts texts;
  const bool isSame = process.isOpen() && process.readMark(texts) && info[3].IsString() &&
                      info[3].As<Napi::String>().Utf8Value() == texts.mark &&
                      process.hasOpen({number(1), number(2)});
  return Napi::Boolean::New(env, isSame);
}

}  // namespace spn
