// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/time_remote.hpp"

#include "core/base/text.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <poll.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern char** environ;

namespace loupe::cli {

namespace {

constexpr int kSshFailed = 255;
constexpr int kNotFound = 127;
constexpr std::size_t kLongestLine = std::size_t{16} << 20;

/// The far shell takes its command as one text: every word in single quotes.
std::string quoted(const std::string& word) {
    std::string text;
    text.push_back('\'');
    for (const char c : word) {
        if (c == '\'') {
            text.append("'\\''");
        } else {
            text.push_back(c);
        }
    }
    text.push_back('\'');
    return text;
}

std::vector<std::string> sshCommand(const gpu::TimingRequest& request) {
    gpu::TimingRequest there = request;
    there.remote.clear();
    std::string command = "loupe";
    for (const std::string& word : gpu::toArguments(there)) {
        command.push_back(' ');
        command.append(quoted(word));
    }
    return {"ssh", "-o", "BatchMode=yes", "--", request.remote, command + " --json"};
}

/// One end of a pipe, closed when it goes.
class PipeEnd {
public:
    PipeEnd() = default;
    PipeEnd(const PipeEnd&) = delete;
    PipeEnd& operator=(const PipeEnd&) = delete;
    ~PipeEnd() { close(); }
    void close() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = -1;
    }
    void set(int fd) { fd_ = fd; }
    [[nodiscard]] int fd() const { return fd_; }

private:
    int fd_ = -1;
};

/// Lines that arrive in pieces.
class LineBuffer {
public:
    /// False where a line grows without end.
    bool add(const char* data,
             std::size_t size,
             const std::function<void(const std::string&)>& take) {
        pending_.append(data, size);
        std::size_t from = 0;
        for (std::size_t end = 0; (end = pending_.find('\n', from)) != std::string::npos;) {
            take(pending_.substr(from, end - from));
            from = end + 1;
        }
        pending_.erase(0, from);
        return pending_.size() <= kLongestLine;
    }
    [[nodiscard]] const std::string& rest() const { return pending_; }

private:
    std::string pending_;
};

/// A started program with its two output streams; ended and reaped when it goes.
class ChildProcess {
public:
    ChildProcess() = default;
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess() {
        if (pid_ > 0) {
            ::kill(pid_, SIGTERM);
            wait();
        }
    }

    /// 0, or errno.
    int start(std::vector<std::string> words) {
        std::array<int, 2> out{};
        std::array<int, 2> err{};
        if (::pipe(out.data()) != 0) {
            return errno;
        }
        out_.set(out[0]);
        PipeEnd outWrite;
        outWrite.set(out[1]);
        if (::pipe(err.data()) != 0) {
            return errno;
        }
        err_.set(err[0]);
        PipeEnd errWrite;
        errWrite.set(err[1]);

        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        posix_spawn_file_actions_adddup2(&actions, err[1], 2);
        for (const int fd : {out[0], out[1], err[0], err[1]}) {
            posix_spawn_file_actions_addclose(&actions, fd);
        }
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        const int failed =
            posix_spawnp(&pid_, argv.front(), &actions, &attributes, argv.data(), environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        pid_ = failed == 0 ? pid_ : -1;
        return failed;
    }

    /// Exit status as a shell counts it.
    int wait() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    PipeEnd& out() { return out_; }
    PipeEnd& err() { return err_; }

private:
    pid_t pid_ = -1;
    PipeEnd out_;
    PipeEnd err_;
};

/// Reads what is there; closes the end where the stream has ended.
bool drain(PipeEnd& end, LineBuffer& lines, const std::function<void(const std::string&)>& take) {
    std::array<char, 65536> buffer{};
    const ssize_t size = ::read(end.fd(), buffer.data(), buffer.size());
    if (size > 0) {
        return lines.add(buffer.data(), static_cast<std::size_t>(size), take);
    }
    if (size == 0 || errno != EINTR) {
        end.close();
    }
    return true;
}

/// What came from the other side so far.
class RemoteAnswer {
public:
    explicit RemoteAnswer(const gpu::RunSink& sink) : sink_(sink) {}

    void takeRecord(const std::string& line) {
        if (!problem_.empty() || trim(line).empty()) {
            return;
        }
        const Result<gpu::RunRecord> record = gpu::parseRecord(line);
        if (record) {
            sink_.record(*record);
        } else {
            problem_ = record.error().what;
        }
    }
    void takeMessage(const std::string& line) {
        constexpr std::string_view kProgress = "progress ";
        constexpr std::string_view kError = "loupe: error: ";
        if (line.rfind(kProgress, 0) == 0) {
            const std::size_t blank = line.find(' ', kProgress.size());
            const std::size_t digits =
                blank == std::string::npos ? std::string::npos : blank - kProgress.size();
            const auto fraction = parseDouble(line.substr(kProgress.size(), digits));
            if (fraction && sink_.progress) {
                sink_.progress(*fraction, blank == std::string::npos ? "" : line.substr(blank + 1));
            }
        } else if (line.rfind(kError, 0) == 0) {
            complaint_ = line.substr(kError.size());
        } else if (!trim(line).empty()) {
            last_ = std::string(trim(line));
        }
    }
    void fail(std::string problem) { problem_ = std::move(problem); }

    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] Result<void> judge(const std::string& host, int status) const {
        if (status == kSshFailed) {
            return loupe::fail(
                ErrorCode::Unreadable,
                "ssh could not reach '" + host + "'" + (last_.empty() ? "" : ": " + last_),
                {},
                "try 'ssh -o BatchMode=yes " + host + " true'");
        }
        if (status == kNotFound) {
            return loupe::fail(ErrorCode::NotFound,
                               "there is no program 'loupe' on the path of '" + host + "'");
        }
        if (!problem_.empty()) {
            return loupe::fail(ErrorCode::Damaged,
                               "the answer of '" + host + "' is no record: " + problem_);
        }
        if (status != 0) {
            const std::string& said = complaint_.empty() ? last_ : complaint_;
            return loupe::fail(ErrorCode::Unreadable,
                               "the run on '" + host + "' failed with exit status " +
                                   std::to_string(status) + (said.empty() ? "" : ": " + said));
        }
        return {};
    }

private:
    const gpu::RunSink& sink_;
    std::string problem_;
    std::string complaint_;
    std::string last_;
};

void receive(ChildProcess& child, RemoteAnswer& answer, const JobContext& ctx) {
    constexpr int kTickMs = 100;
    const auto onRecord = [&](const std::string& line) { answer.takeRecord(line); };
    const auto onMessage = [&](const std::string& line) { answer.takeMessage(line); };
    LineBuffer records;
    LineBuffer messages;
    while ((child.out().fd() >= 0 || child.err().fd() >= 0) && answer.problem().empty()) {
        ctx.checkpoint();
        std::array<pollfd, 2> watched{
            {{child.out().fd(), POLLIN, 0}, {child.err().fd(), POLLIN, 0}}};
        if (::poll(watched.data(), watched.size(), kTickMs) <= 0) {
            continue;
        }
        bool fits = true;
        if (watched[0].revents != 0) {
            fits = drain(child.out(), records, onRecord);
        }
        if (watched[1].revents != 0) {
            fits = drain(child.err(), messages, onMessage) && fits;
        }
        if (!fits) {
            answer.fail("a line without end");
        }
    }
    answer.takeRecord(records.rest());
    answer.takeMessage(messages.rest());
}

}  // namespace

Result<void> runRemote(const gpu::TimingRequest& request,
                       const JobContext& ctx,
                       const gpu::RunSink& sink) {
    ChildProcess child;
    if (const int failed = child.start(sshCommand(request)); failed != 0) {
        return failed == ENOENT
                   ? fail(ErrorCode::NotFound, "there is no program 'ssh' on this machine's path")
                   : fail(ErrorCode::Unreadable,
                          std::string("ssh could not be started: ") + std::strerror(failed));
    }
    RemoteAnswer answer(sink);
    receive(child, answer, ctx);
    if (!answer.problem().empty()) {
        return answer.judge(request.remote, 0);
    }
    return answer.judge(request.remote, child.wait());
}

}  // namespace loupe::cli
