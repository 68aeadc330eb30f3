// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gpu/cpu/attention.hpp"
#include "gpu/cpu/matmul.hpp"
#include "tests/bench/bench.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace loupe::bench {

/// As timed(), after a rest in which the spinning threads of a library that ran before go to sleep.
[[nodiscard]] std::function<double()> timedAfterRest(std::function<void()> work);

/// Operations in registers alone on all compute threads, counted as elements: fp32, bf16, int8.
[[nodiscard]] Contender peakProbe(std::string_view arithmetic);

/// Our product, its operations counted as elements; with `bytes` its weights as bytes.
[[nodiscard]] Contender productOf(const std::string& name,
                                  std::shared_ptr<gpu::CpuMatmul> matmul,
                                  const gpu::MatmulShape& shape,
                                  bool bytes);

/// Elements a second of the first over those of the second.
[[nodiscard]] double rateRatio(const Contender& a,
                               const Timing& ta,
                               const Contender& b,
                               const Timing& tb);

}  // namespace loupe::bench
