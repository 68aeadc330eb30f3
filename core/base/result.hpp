// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tl/expected.hpp>

#include "core/base/error.hpp"

namespace loupe {

/// A value, or the error from outside that prevented it. The only header that names the library behind it.
template <class T>
using Result = tl::expected<T, Error>;

/// `return fail(ErrorCode::Damaged, "...", where);`
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code,
                                                std::string what,
                                                std::string where = {},
                                                std::string hint = {}) {
    return tl::unexpected<Error>(Error{code, std::move(what), std::move(where), std::move(hint)});
}

[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

}  // namespace loupe
