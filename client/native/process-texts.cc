#include "process-texts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace spn {
namespace {

constexpr size_t kMaxCommandLine = 4096;
constexpr size_t kMaxText = 8 * 1024;
constexpr size_t kMaxEnvironment = 64 * 1024;
constexpr const char* kAppImageMount = "/tmp/.mount_";

// Fields of /proc/PID/stat, counted from 1 (proc_pid_stat(5)).
constexpr int kStartTime = 22;
// Where the program's code, stack, arguments and environment lie. Chosen by chance for every program that is started.
constexpr int kLayout[] = {26, 27, 28, 48, 49, 50, 51};

// Walks through the fields behind the name, which is in parentheses and may hold any character. Field 3 is the first.
class StatFields {
 public:
  explicit StatFields(const std::string& stat) : stat_(stat), at_(stat.find(' ', stat.rfind(')'))) {}

  // To be asked for in rising order. Empty if it is not there.
  std::string next(int number) {
    size_t start = at_;
    while (at_ != std::string::npos && number_ < number) {
      start = at_ + 1;
      at_ = stat_.find_first_of(" \n", start);
      number_++;
    }
    return at_ == std::string::npos ? std::string() : stat_.substr(start, at_ - start);
  }

 private:
  const std::string& stat_;
  size_t at_;
  int number_ = 2;
};

std::string readDescriptor(int fd, size_t maxBytes) {
  std::string text;
  char buffer[4096];
  while (text.size() < maxBytes) {
    const size_t room = maxBytes - text.size();
    const size_t asked = room < sizeof buffer ? room : sizeof buffer;
    const ssize_t length = ::read(fd, buffer, asked);
    if (length > 0) text.append(buffer, static_cast<size_t>(length));
    if (length < static_cast<ssize_t>(asked)) break;
  }
  return text;
}

uint32_t inodeOf(int directory, const char* name) {
  char target[64];
  const ssize_t length = ::readlinkat(directory, name, target, sizeof target - 1);
  if (length <= 0) return 0;
  target[length] = 0;
  unsigned inode = 0;
  return std::sscanf(target, "socket:[%u]", &inode) == 1 ? inode : 0;
}

}  // namespace

ProcessHandle::ProcessHandle(uint32_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%u", pid);
  directory_ = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

ProcessHandle::~ProcessHandle() {
  if (directory_ >= 0) ::close(directory_);
}

std::vector<ProcessHandle::OpenSocket> ProcessHandle::openSockets(const std::unordered_set<uint32_t>& wanted) const {
  std::vector<OpenSocket> open;
  const int fd = ::openat(directory_, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = fd < 0 ? nullptr : ::fdopendir(fd);
  if (listing == nullptr) {
    if (fd >= 0) ::close(fd);
    return open;
  }
  while (const dirent* entry = ::readdir(listing)) {
    if (entry->d_name[0] == '.') continue;
    const uint32_t inode = inodeOf(fd, entry->d_name);
    if (inode != 0 && wanted.count(inode) > 0) {
      open.push_back({inode, static_cast<uint32_t>(std::strtoul(entry->d_name, nullptr, 10))});
    }
  }
  ::closedir(listing);
  return open;
}

uint32_t ProcessHandle::socketAt(uint32_t descriptor) const {
  char path[32];
  std::snprintf(path, sizeof path, "fd/%u", descriptor);
  return inodeOf(directory_, path);
}

bool ProcessHandle::hasOpen(const OpenSocket& socket) const { return socketAt(socket.descriptor) == socket.inode; }

bool ProcessHandle::readMark(ProcessTexts& into) const {
  into.exe = readLink("exe");
  const std::string stat = readFile("stat", kMaxText);
  StatFields fields(stat);
  into.startTime = fields.next(kStartTime);
  // A kernel thread, or somebody whom we may not look at.
  if (into.exe.empty() || into.startTime.empty()) return false;
  into.commandLine = readFile("cmdline", kMaxCommandLine);
  into.mark = into.startTime;
  for (const int number : kLayout) into.mark += ' ' + fields.next(number);
  into.mark += ' ' + into.exe + '\0' + into.commandLine;
  return true;
}

bool ProcessHandle::readAll(ProcessTexts& into) const {
  if (!readMark(into)) return false;
  into.cwd = readLink("cwd");
  into.status = readFile("status", kMaxText);
  into.cgroup = readFile("cgroup", kMaxText);
  into.isElsewhere = isElsewhere(into.exe);
  if (into.exe.compare(0, std::strlen(kAppImageMount), kAppImageMount) == 0) {
    into.environment = readFile("environ", kMaxEnvironment);
  }
  if (into.isElsewhere) into.flatpakInfo = readFile("root/.flatpak-info", kMaxText);
  ProcessTexts after;
  return readMark(after) && after.mark == into.mark;
}

// Whoever makes a mount namespace of its own can put any file at any path in it.
bool ProcessHandle::isElsewhere(const std::string& exe) const {
  char ours[64] = {};
  if (::readlink("/proc/self/ns/mnt", ours, sizeof ours - 1) > 0 && readLink("ns/mnt") == ours) return false;
  struct stat theirFile;
  struct stat ourFile;
  return ::fstatat(directory_, "exe", &theirFile, 0) != 0 || ::stat(exe.c_str(), &ourFile) != 0 ||
         theirFile.st_dev != ourFile.st_dev || theirFile.st_ino != ourFile.st_ino;
}

// What a process put in the place of a file (a link, a pipe) is not followed, and not waited for.
std::string ProcessHandle::readFile(const char* name, size_t maxBytes) const {
  const int fd = ::openat(directory_, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return {};
  struct stat file;
  std::string text;
  if (::fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) text = readDescriptor(fd, maxBytes);
  ::close(fd);
  return text;
}

std::string ProcessHandle::readLink(const char* name) const {
  char target[PATH_MAX + 16];
  const ssize_t length = ::readlinkat(directory_, name, target, sizeof target);
  return length <= 0 ? std::string() : std::string(target, static_cast<size_t>(length));
}

}  // namespace spn
