// SPDX-License-Identifier: Apache-2.0
#include "core/quant/finite_rows.hpp"

#include "core/base/worker_pool.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

namespace loupe {

namespace {

/// One more on an exponent of all ones carries into the sign's place: no branch per value.
template <class T>
bool allFinite(std::span<const T> values) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr int kMantissaBits = std::numeric_limits<T>::digits - 1;
    constexpr Bits kSign = Bits{1} << (8 * sizeof(T) - 1);
    Bits carries = 0;
    for (const T x : values) {
        carries |= (std::bit_cast<Bits>(x) & ~kSign) + (Bits{1} << kMantissaBits);
    }
    return (carries & kSign) == 0;
}

}  // namespace

template <class T>
Result<void> checkFinite(std::span<const T> values,
                         std::int64_t cols,
                         std::int64_t firstRow,
                         std::string_view what) {
    if (allFinite(values)) {
        return {};
    }
    const auto bad =
        std::find_if(values.begin(), values.end(), [](T x) { return !std::isfinite(x); });
    const std::int64_t at = bad - values.begin();
    return fail(ErrorCode::Invalid,
                joined({what,
                        std::isnan(*bad) ? "NaN" : "infinite value",
                        " at row ",
                        std::to_string(firstRow + at / cols),
                        ", column ",
                        std::to_string(at % cols),
                        ": a scheme needs finite values"}));
}

template <class T>
Result<void> readFinite(const RowSource& source,
                        std::int64_t first,
                        std::int64_t count,
                        std::vector<T>& out,
                        std::string_view what) {
    out.resize(static_cast<std::size_t>(count * source.cols()));
    if (Result<void> done = source.read(first, count, out.data()); !done) {
        return done;
    }
    return checkFinite<T>(out, source.cols(), first, what);
}

namespace {

template <class T>
Result<void> checkRowsAs(const RowSource& source, const JobContext& ctx, std::string_view what) {
    FirstError errors;
    parallelFor(source.rows(),
                rowsPerChunk(source.cols()),
                ctx,
                [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
                    std::vector<T> values;
                    const Result<void> done = readFinite(source, first, last - first, values, what);
                    if (!done) {
                        errors.report(chunk, done.error());
                    }
                });
    return errors.result();
}

}  // namespace

Result<void> checkFiniteRows(const RowSource& source,
                             const JobContext& ctx,
                             std::string_view what) {
    return source.isDouble() ? checkRowsAs<double>(source, ctx, what)
                             : checkRowsAs<float>(source, ctx, what);
}

template Result<void> checkFinite<float>(std::span<const float>,
                                         std::int64_t,
                                         std::int64_t,
                                         std::string_view);
template Result<void> checkFinite<double>(std::span<const double>,
                                          std::int64_t,
                                          std::int64_t,
                                          std::string_view);
template Result<void> readFinite<float>(
    const RowSource&, std::int64_t, std::int64_t, std::vector<float>&, std::string_view);
template Result<void> readFinite<double>(
    const RowSource&, std::int64_t, std::int64_t, std::vector<double>&, std::string_view);

}  // namespace loupe
