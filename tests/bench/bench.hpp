// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace loupe::bench {

/// `bench CASE [--key value] [--flag]`: what follows the case, without the dashes. Flags have the value "".
struct Options {
    std::map<std::string, std::string> values;
    [[nodiscard]] bool has(const std::string& key) const { return values.count(key) != 0; }
    [[nodiscard]] std::string get(const std::string& key, const std::string& fallback) const;
    /// A comma-separated list.
    [[nodiscard]] std::vector<std::string> list(const std::string& key, const std::string& fallback) const;
    /// Tiny sizes, one repeat, no verdict: shows only that the case runs.
    [[nodiscard]] bool smoke() const { return has("smoke"); }
    [[nodiscard]] int repeats(int normal) const { return smoke() ? 1 : std::stoi(get("repeats", std::to_string(normal))); }
};

/// One thing that is timed: ours, a probe of the machine's limit, or a peer.
struct Contender {
    std::string name;
    std::function<double()> run;  ///< does the work once; its seconds
    double bytes = 0;             ///< for GB/s; 0: not printed
    double elements = 0;          ///< for Gelem/s; 0: not printed
};

/// Wraps work that is timed here.
[[nodiscard]] std::function<double()> timed(std::function<void()> work);

struct Timing {
    double median = 0, min = 0, max = 0, p99 = 0;  ///< seconds
};

/// Runs the contenders one after another, `repeats` times over, so that all see the same state of the machine, after one
/// round that does not count. Prints a line for each (median, min, max, rates) and the share of CPU time used by others;
/// above 5 % it says that no verdict can be taken from this run.
std::vector<Timing> interleave(const std::string& title, const std::vector<Contender>& contenders, int repeats);

/// "ours / probe = 0.63 (0.60-0.66)" and the like; nothing in a smoke run.
void printRatio(const std::string& what, double ratio);

// --- probes and data ----------------------------------------------------------------------------------------------

/// Memory in huge pages where the system has them, zeroed.
class Buffer {
public:
    explicit Buffer(std::size_t bytes);
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    template <class T>
    [[nodiscard]] T* as() const {
        return reinterpret_cast<T*>(data_);
    }

private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Reads every byte on all compute threads.
[[nodiscard]] Contender readProbe(const Buffer& buffer);
/// Copies with non-temporal stores on all compute threads; bytes counted are those read plus those written.
[[nodiscard]] Contender copyProbe(const Buffer& from, const Buffer& to);
/// Increments a table at random places, data in the cache: the limit of any exact histogram.
[[nodiscard]] Contender incrementProbe(std::int64_t increments);

/// Weights as checkpoints have them: Student-t (5 degrees)·0.02, 0.5 % of the columns times 8.
void fillWeights(float* out, std::int64_t rows, std::int64_t cols);

/// "11008x4096"
[[nodiscard]] std::pair<std::int64_t, std::int64_t> parseShape(const std::string& text);

/// Peak resident memory of this process so far, MiB.
[[nodiscard]] double peakMebibytes();

// --- peers --------------------------------------------------------------------------------------------------------

/// A Python process ($LOUPE_PEER_PYTHON) that runs a script's function `work()` each time it is asked, so that it can be
/// interleaved with ours. glibc is tuned to huge pages and to keep its memory, which makes torch and NumPy 2 to 6 times
/// faster than by default: the hard peer.
class PythonPeer {
public:
    /// Empty, with the reason printed, where there is no Python or a module is missing.
    [[nodiscard]] static std::shared_ptr<PythonPeer> start(const std::string& script, const std::vector<std::string>& arguments);
    ~PythonPeer();
    [[nodiscard]] double run();
    [[nodiscard]] const std::string& greeting() const { return greeting_; }  ///< the module's version

private:
    PythonPeer() = default;
    std::string readLine();
    int in_ = -1, out_ = -1;
    int pid_ = -1;
    std::string greeting_;
    std::string pending_;
};

/// CPU seconds of other processes of ours that count as our own (peers), by process id.
void countAsOurs(int pid);

#define LOUPE_BENCH(id) void bench_##id(const Options& options);
#include "tests/bench/cases.def"
#undef LOUPE_BENCH

}  // namespace loupe::bench
