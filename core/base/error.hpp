// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

namespace loupe {

/// What kind of thing went wrong; decides the exit status of `loupe` and the icon in the application.
enum class ErrorCode {
    NotFound,     ///< no such file, tensor, format or step
    Unreadable,   ///< the operating system refused
    Damaged,      ///< the file contradicts its own format
    Unsupported,  ///< well formed, but nothing we read or do
    Usage,        ///< wrong option or scheme string: exit status 2
    Invalid,      ///< the data do not fit the request (NaN weights, wrong shape)
    Missing,      ///< an input that the request needs was not given (activations, gradients)
    OutOfMemory,
};

/// A failure caused from outside (file, user input, missing device), as a value.
///
/// `what`  one sentence: what failed, expected and found
/// `where` file and, where it has a meaning, the decimal byte offset: "model.gguf:6720"; may be empty
/// `hint`  what to do next; may be empty
struct Error {
    ErrorCode code = ErrorCode::Invalid;
    std::string what;
    std::string where;
    std::string hint;

    /// "WHAT (FILE:OFFSET)", the text after `loupe: error: `.
    [[nodiscard]] std::string message() const { return where.empty() ? what : what + " (" + where + ")"; }

    friend bool operator==(const Error&, const Error&) = default;
};

}  // namespace loupe
