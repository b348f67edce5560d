#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace fleetmeter::ingest {

/// `fleetmeter` with arguments, in a directory of its own; what it prints is in its file `log`.
class ChildProcess {
 public:
  ChildProcess(const std::string& directory, const std::vector<std::string>& arguments,
               const std::map<std::string, std::string>& environment = {})
      : directory_(directory) {
    std::filesystem::create_directories(directory);
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int log = ::open((directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(log, 1);
    ::dup2(log, 2);
    if (::chdir(directory.c_str()) != 0) ::_exit(126);
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> argv = {const_cast<char*>(FLEETMETER_BINARY)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(FLEETMETER_BINARY, argv.data());
    ::_exit(127);
  }
  ~ChildProcess() { end(SIGKILL); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Exit code, or minus the signal that ended it.
  int end(int signal) {
    if (pid_ > 0) ::kill(pid_, signal);
    return wait(0);
  }
  [[nodiscard]] bool ended() {
    wait(WNOHANG);
    return pid_ == 0;
  }
  [[nodiscard]] std::string log() const {
    std::ifstream in(directory_ + "/log");
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

 private:
  int wait(int flags) {
    int status = 0;
    if (pid_ > 0 && ::waitpid(pid_, &status, flags) == pid_) {
      pid_ = 0;
      status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }
    return status_;
  }

  std::string directory_;
  pid_t pid_ = 0;
  int status_ = 0;
};

}  // namespace fleetmeter::ingest
