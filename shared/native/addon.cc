// Cryptography of cells and handshakes through the OpenSSL that is part of Node itself. node:crypto makes several objects
// for every call; what happens here millions of times makes none.
#include "binding.h"

static napi_value init(napi_env env, napi_value exports) {
  defineAesGcm(env, exports);
  defineX25519(env, exports);
  defineMlKem(env, exports);
  defineHkdf(env, exports);
  return exports;
}

NAPI_MODULE(spn_crypto, init)
