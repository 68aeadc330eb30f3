// SPDX-License-Identifier: Apache-2.0
// The subset of Catch2 that v2 and v3 share. Not used: Approx (hides its tolerance), SKIP (v3 only), BENCHMARK.
#pragma once
#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
namespace Catch::Matchers {
inline auto ContainsSubstring(std::string const& text) { return Contains(text); }
}  // namespace Catch::Matchers
#endif
