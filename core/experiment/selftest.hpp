// SPDX-License-Identifier: Apache-2.0
// What a user can run to see that decoding and rounding are right on this machine: every code of
// every scalar format, golden blocks of every packed one.
#pragma once

#include "core/base/job.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace loupe {

/// The checks of one format.
struct SelfTestItem {
    std::string format;  ///< contract name, or that of a packed checkpoint scheme: "gptq"
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    std::string firstFailure;  ///< what was expected and found; empty: all passed
};

struct SelfTestReport {
    std::vector<SelfTestItem> items;
    [[nodiscard]] std::uint64_t passed() const;
    [[nodiscard]] std::uint64_t failed() const;
};

/// Called after each format.
using SelfTestSeen = std::function<void(const SelfTestItem& item)>;

/// Runs all checks; nothing is read but what the program holds itself.
///
/// Scalar formats: each code (of formats beyond 19 bits: every exponent with chosen and random
/// fractions) decoded against a slow definition of its own, encoded back, rounded from between it
/// and its neighbour, ties included; and hashes over all codes and all finite halves that other
/// implementations gave (spec/formats.md F.3). Block formats: blocks that ggml itself decoded and
/// encoded (F.1, F.2), each element taken apart, MX and NVFP4 by definition. Packed checkpoint
/// schemes: a small layer written by definition and read back.
/// Progress counts formats. @cost about a second
[[nodiscard]] SelfTestReport runSelfTest(const SelfTestSeen& seen = {}, const JobContext& ctx = {});

}  // namespace loupe
