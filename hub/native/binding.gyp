{
  'targets': [
    {
      'target_name': 'spn_hub_native',
      'sources': ['addon.cc'],
      'include_dirs': ['../../node_modules/node-addon-api'],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
      ],
      'cflags': ['-Wall', '-Wextra', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++20'],
      'cflags_cc': ['-std=c++17'],
    },
  ],
}
