{
  'targets': [
    {
      'target_name': 'spn_native',
      'sources': [
        'addon.cc', 'connection-flush.cc', 'exec-watch.cc', 'foreign-address.cc', 'near-processes.cc', 'netlink.cc',
        'netlink-queue.cc', 'original-flow.cc', 'packet-object.cc', 'process-search.cc', 'process-texts.cc',
        'service-notify.cc', 'socket-diag.cc', 'thread-priority.cc',
      ],
      'include_dirs': ['../../node_modules/node-addon-api'],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        # A thread that is being ended can throw nothing more; that is no reason to end the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags': ['-Wall', '-Wextra', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++20'],
      'cflags_cc': ['-std=c++17'],
    },
  ],
}
