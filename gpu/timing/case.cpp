// SPDX-License-Identifier: Apache-2.0
#include "gpu/timing/case.hpp"

#include "core/base/text.hpp"

#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace loupe::gpu {

namespace {

/// Sizes that no machine holds are a slip of the pen; below it, a case that is too large says so
/// when it is run.
constexpr std::int64_t kMostExtent = std::int64_t{1} << 31;

tl::unexpected<Error> invalid(std::string what) {
    return fail(ErrorCode::Invalid, std::move(what));
}

using NamedSize = std::pair<const char*, std::int64_t>;

Result<void> checkSizes(const std::vector<NamedSize>& sizes) {
    for (const auto& [name, size] : sizes) {
        if (size < 1 || size >= kMostExtent) {
            return invalid(std::string(name) + " must be between 1 and " +
                           std::to_string(kMostExtent - 1) + ", not " + std::to_string(size));
        }
    }
    return {};
}

Result<void> checkShape(const TimingRequest& request) {
    if (request.operation == Operation::Matmul) {
        const MatmulShape& s = request.matmul;
        if (s.outliers < 0 || s.outliers > s.k) {
            return invalid("outliers must be between 0 and k, not " + std::to_string(s.outliers));
        }
        return checkSizes({{"m", s.m}, {"n", s.n}, {"k", s.k}, {"group", s.group}});
    }
    const AttentionShape& s = request.attention;
    if (Result<void> sizes = checkSizes({{"seq", s.seq},
                                         {"dim", s.dim},
                                         {"heads", s.heads},
                                         {"kv-heads", s.kvHeads},
                                         {"batch", s.batch}});
        !sizes) {
        return sizes;
    }
    if (s.heads % s.kvHeads != 0) {
        return invalid("kv-heads must divide heads: " + std::to_string(s.kvHeads) +
                       " does not divide " + std::to_string(s.heads));
    }
    if (s.decode && s.causal) {
        return invalid("decode looks at every stored key: it cannot be causal too");
    }
    return {};
}

Result<void> checkHost(const std::string& host) {
    if (host.empty()) {
        return {};
    }
    if (host.front() == '-' || host.find_first_of(" \t\n\r'\"\\;&|<>$`") != std::string::npos) {
        return invalid("remote must be a host that ssh knows, not '" + host + "'");
    }
    return {};
}

}  // namespace

Result<void> checkRequest(const TimingRequest& request) {
    if (Result<void> shape = checkShape(request); !shape) {
        return shape;
    }
    if (request.what.empty()) {
        return invalid(request.operation == Operation::Matmul ? "no format to time"
                                                              : "no kernel to time");
    }
    for (const std::string& word : request.what) {
        if (word.empty() || word.find(',') != std::string::npos) {
            return invalid("'" + word + "' is no name of a format or kernel");
        }
    }
    constexpr std::array<std::string_view, 3> kBackends{"cpu", "cuda", "simt"};
    bool known = false;
    for (const std::string_view backend : kBackends) {
        known = known || backend == request.backend;
    }
    if (!known) {
        return invalid("backend must be cpu, cuda or simt, not '" + request.backend + "'");
    }
    if (request.interleave && request.backend == "simt") {
        return invalid("interleave has no effect on simt, which counts and takes no samples");
    }
    if (request.samples < 0) {
        return invalid("samples must be 1 or more, not " + std::to_string(request.samples));
    }
    if (!std::isfinite(request.seconds) || request.seconds < 0) {
        return invalid("seconds must be a number above 0, not " + shortest(request.seconds));
    }
    if (request.cacheBytes < 0) {
        return invalid("cache-bytes must be 1 or more, not " + std::to_string(request.cacheBytes));
    }
    if (request.threads < 0) {
        return invalid("threads must be 1 or more, not " + std::to_string(request.threads));
    }
    return checkHost(request.remote);
}

namespace {

/// The arguments of one command line as they grow.
class ArgumentList {
public:
    explicit ArgumentList(const char* operation) : list_{"time", operation} {}
    void add(const char* option, std::string value) {
        list_.emplace_back(option);
        list_.push_back(std::move(value));
    }
    void add(const char* option, std::int64_t value) { add(option, std::to_string(value)); }
    void addIf(bool condition, const char* flag) {
        if (condition) {
            list_.emplace_back(flag);
        }
    }
    void addUnlessEmpty(const char* option, const std::string& value) {
        if (!value.empty()) {
            // One argument, so that a value that begins with a dash is no option.
            list_.push_back(std::string(option) + "=" + value);
        }
    }
    std::vector<std::string> take() { return std::move(list_); }

private:
    std::vector<std::string> list_;
};

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += text.empty() ? word : "," + word;
    }
    return text;
}

void addShape(ArgumentList& list, const TimingRequest& request) {
    if (request.operation == Operation::Matmul) {
        list.add("--m", request.matmul.m);
        list.add("--n", request.matmul.n);
        list.add("--k", request.matmul.k);
        list.add("--group", request.matmul.group);
        if (request.matmul.outliers > 0) {
            list.add("--outliers", request.matmul.outliers);
        }
        list.add("--formats", joined(request.what));
        return;
    }
    const AttentionShape& s = request.attention;
    list.add("--seq", s.seq);
    list.add("--dim", s.dim);
    list.add("--heads", s.heads);
    list.add("--kv-heads", s.kvHeads);
    list.add("--batch", s.batch);
    list.addIf(s.causal, "--causal");
    list.addIf(s.decode, "--decode");
    list.add("--kernels", joined(request.what));
}

}  // namespace

std::vector<std::string> toArguments(const TimingRequest& request) {
    ArgumentList list(request.operation == Operation::Matmul ? "matmul" : "attention");
    addShape(list, request);
    list.add("--backend", request.backend);
    list.add("--cache", request.cache == CacheState::Cold ? "cold" : "warm");
    list.add("--seed", std::to_string(request.seed));
    list.addUnlessEmpty("--kernel", request.kernel);
    list.addUnlessEmpty("--remote", request.remote);
    list.addIf(!request.peers, "--no-peers");
    list.addIf(request.interleave, "--interleave");
    if (request.samples > 0) {
        list.add("--samples", request.samples);
    }
    if (request.seconds > 0) {
        list.add("--seconds", shortest(request.seconds));
    }
    if (request.threads > 0) {
        list.add("--threads", request.threads);
    }
    if (request.cacheBytes > 0) {
        list.add("--cache-bytes", request.cacheBytes);
    }
    list.addUnlessEmpty("--model", request.model);
    list.addUnlessEmpty("--layer", request.layer);
    return list.take();
}

}  // namespace loupe::gpu
