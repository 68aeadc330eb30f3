// SPDX-License-Identifier: Apache-2.0
// Libraries beside our products: the same operands, the same check, the same threads.
#pragma once

#include "gpu/cpu/matmul.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace loupe::gpu {

struct CpuPeer {
    std::string_view library;  ///< "oneDNN"
    std::string_view kernel;   ///< "onednn_bf16"
    std::string_view format;   ///< of ours that it stands beside
    std::string (*version)() = nullptr;
    /// Why it cannot run; empty: it can.
    std::string (*refuses)(const MatmulShape& shape) = nullptr;
    /// Null with a reason in `error` where the library says no after all.
    std::unique_ptr<CpuMatmul> (*make)(const MatmulProblem& problem,
                                       const JobContext& ctx,
                                       std::string& error) = nullptr;
};

[[nodiscard]] std::span<const CpuPeer> cpuPeers();

/// Of onednn_peer.cpp and blas_peers.cpp.
[[nodiscard]] std::span<const CpuPeer> oneDnnPeers();
[[nodiscard]] std::span<const CpuPeer> blasPeers();

}  // namespace loupe::gpu
