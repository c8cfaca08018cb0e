// Errors of the system as JavaScript errors.
#pragma once

#include <napi.h>
#include <uv.h>

#include <cstring>
#include <string>

namespace spn {

// An Error whose `code` is the name of the errno, such as EPERM.
inline Napi::Error errnoError(Napi::Env env, int error, const char* what) {
  Napi::Error made = Napi::Error::New(env, std::string(what) + ": " + std::strerror(error));
  made.Set("code", Napi::String::New(env, uv_err_name(uv_translate_sys_error(error))));
  return made;
}

}  // namespace spn
