// SPDX-License-Identifier: Apache-2.0
// What a timing run is asked to do: operation, shape, formats or kernels, backend.
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace loupe::gpu {

enum class Operation : std::uint8_t { Matmul, Attention };
enum class CacheState : std::uint8_t { Cold, Warm };

/// Y = X·Wᵀ: X [m, k] (tokens, in), W [n, k] (out, in), Y [m, n].
struct MatmulShape {
    std::int64_t m = 1;
    std::int64_t n = 4096;
    std::int64_t k = 4096;
    std::int64_t group = 128;   ///< inputs that share a scale, where a format has groups
    std::int64_t outliers = 0;  ///< inputs whose activations are 20 times as large as the others'
    friend bool operator==(const MatmulShape&, const MatmulShape&) = default;
};

/// softmax(Q·Kᵀ/√dim)·V. Q [batch, heads, queries, dim]; K and V [batch, kvHeads, seq, dim].
struct AttentionShape {
    std::int64_t seq = 1024;
    std::int64_t dim = 64;
    std::int64_t heads = 1;
    std::int64_t kvHeads = 1;  ///< divides heads; fewer than heads: grouped-query attention
    std::int64_t batch = 1;
    bool causal = false;
    bool decode = false;  ///< one query a sequence, against seq stored keys
    [[nodiscard]] std::int64_t queries() const { return decode ? 1 : seq; }
    friend bool operator==(const AttentionShape&, const AttentionShape&) = default;
};

/// The arguments of `loupe time`. `what` holds formats (matmul: fp32, bf16, int8, w8a8, w4a16, ...)
/// or kernels (attention: standard, flash1, flash2, ...), names of the contract; "all" stands for
/// every one that the backend has.
struct TimingRequest {
    Operation operation = Operation::Matmul;
    MatmulShape matmul;
    AttentionShape attention;
    std::vector<std::string> what;
    std::string backend = "cpu";  ///< cpu, cuda, simt
    std::string kernel;           ///< only kernels whose id matches this GLOB; empty: all
    std::string remote;           ///< host that ssh reaches; empty: here
    CacheState cache = CacheState::Cold;
    bool peers = true;   ///< the best library beside each kernel
    /// All cases are made ready first and then sampled in turn, A B A B: what slows the machine
    /// down for a while slows all of them down.
    bool interleave = false;
    int samples = 0;     ///< most samples a case; 0: the method's own limit
    double seconds = 0;  ///< most seconds a case; 0: the method's own limit
    std::uint64_t seed = 1;
    int threads = 0;    ///< 0: all cores
    std::string model;  ///< where the shape comes from: "llama-2-7b", free text
    std::string layer;
    std::int64_t cacheBytes = 0;  ///< simt: of the cache behind the counted DRAM bytes; 0: 1 MiB
    friend bool operator==(const TimingRequest&, const TimingRequest&) = default;
};

/// Wrong usage as Invalid, with one sentence: sizes below 1, kvHeads that does not divide heads, an
/// unknown backend.
[[nodiscard]] Result<void> checkRequest(const TimingRequest& request);

/// The command line that runs this request, without the program: {"time", "matmul", "--m", "1",
/// ...}.
[[nodiscard]] std::vector<std::string> toArguments(const TimingRequest& request);

}  // namespace loupe::gpu
