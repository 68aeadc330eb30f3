// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>

namespace loupe {

/// A violated precondition: a bug of ours, never reachable from user input.
class LogicError : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}  // namespace loupe

/// Checks a precondition in every build type; the message names the condition and the reason.
#define LOUPE_ASSERT(condition, why)                                                       \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            throw ::loupe::LogicError("assertion failed: " #condition ": " why);           \
        }                                                                                  \
    } while (false)
