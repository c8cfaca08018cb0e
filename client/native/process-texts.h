// What the kernel tells of one process in /proc, read without ever mixing two processes or two programs.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace spn {

struct ProcessTexts {
  // When the process began, in ticks since the start of the computer. With the pid it names a process for ever.
  std::string startTime;
  // Changes when the process becomes another program, or changes its command line.
  std::string mark;
  std::string exe;
  std::string cwd;
  std::string commandLine;
  std::string status;
  std::string cgroup;
  // Only of programs within an AppImage.
  std::string environment;
  // Only of programs that see other mounts than we do.
  std::string flatpakInfo;
  // The path of `exe` means another file to us than to the program.
  bool isElsewhere = false;
};

// One process. Everything is read through one handle, which never leads to another process, also if the pid is used
// again: then all reads fail.
class ProcessHandle {
 public:
  explicit ProcessHandle(uint32_t pid);
  ~ProcessHandle();
  ProcessHandle(const ProcessHandle&) = delete;
  ProcessHandle& operator=(const ProcessHandle&) = delete;

  bool isOpen() const { return directory_ >= 0; }

  struct OpenSocket {
    uint32_t inode;
    uint32_t descriptor;
  };
  // Those of the sockets that the process has open.
  std::vector<OpenSocket> openSockets(const std::unordered_set<uint32_t>& wanted) const;
  // The inode of the socket that it has open as this descriptor; 0 if there is none.
  uint32_t socketAt(uint32_t descriptor) const;
  bool hasOpen(const OpenSocket& socket) const;

  // Fills `startTime`, `mark`, `exe` and `commandLine`. False if the process is gone or may not be looked at.
  bool readMark(ProcessTexts& into) const;
  // The rest too, all of one and the same program. False as above, or if it changes while it is read.
  bool readAll(ProcessTexts& into) const;

 private:
  std::string readFile(const char* name, size_t maxBytes) const;
  std::string readLink(const char* name) const;
  bool isElsewhere(const std::string& exe) const;

  int directory_ = -1;
};

}  // namespace spn
