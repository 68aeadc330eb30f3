// SPDX-License-Identifier: Apache-2.0
// What is odd or telling about a whole tensor: the badges of the tree, the Atlas and `loupe scan`.
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"
#include "core/stats/tensor_stats.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

enum class TensorFlag : std::uint8_t {
    Nan,              ///< holds NaN
    Inf,              ///< holds infinities
    AllZero,          ///< every value is 0
    Constant,         ///< every value is the same, and not 0
    ZeroRows,         ///< some rows (output channels) are 0 throughout, not all
    ZeroColumns,      ///< some columns (input channels) are 0 throughout, not all
    Duplicate,        ///< bytes and shape of an earlier tensor of the same scan
    Untrained,        ///< exactly what an initialiser leaves: every value 1, or every value 0
    LikeInitialiser,  ///< a guess: the distribution fits a known random initialiser
    Pattern,          ///< N:M sparsity holds in every group of M inputs
};

struct FlagDefinition {
    TensorFlag flag{};
    std::string_view id;     ///< "nan", as in JSON
    std::string_view title;  ///< for people: "Holds NaN"
    std::string_view badge;  ///< at most five letters: "NaN"
    std::string_view help;   ///< one sentence with the criterion
    bool isGuess = false;    ///< a pattern that fits, not a fact
    bool isFault = false;    ///< something is wrong with the tensor, most likely
};

/// Every flag in the order of the enumeration.
[[nodiscard]] std::span<const FlagDefinition> allTensorFlags();
[[nodiscard]] const FlagDefinition& flagDefinition(TensorFlag flag);
/// nullptr if there is none of that id.
[[nodiscard]] const FlagDefinition* findTensorFlag(std::string_view id);

struct RaisedFlag {
    TensorFlag flag{};
    std::string detail;  ///< "3 of 4096 rows", "2:4", "the same as 'lm_head.weight'"
    friend bool operator==(const RaisedFlag&, const RaisedFlag&) = default;
};

/// What statistics do not tell of a tensor.
struct TensorMarks {
    /// 32 hexadecimal digits over element type, shape and stored bytes (decoded values where the
    /// bytes do not lie in memory): equal for equal tensors. Not for security.
    std::string contentHash;
    /// The sparsity that holds throughout: at most `patternKept` non-zeros in every `patternGroup`
    /// consecutive inputs of a row. The smallest share of 1:2, 1:4, 2:4, 4:8, 8:16 and the like,
    /// the smallest group among equal shares; 0, 0: none.
    int patternKept = 0;
    int patternGroup = 0;
    friend bool operator==(const TensorMarks&, const TensorMarks&) = default;
};

/// @errors of the source
/// @cost   one pass; memory O(cols) for each thread. The same for any number of threads
[[nodiscard]] Result<TensorMarks> computeMarks(const RowSource& source, const JobContext& ctx = {});

/// All flags but Duplicate, which needs the other tensors, in the order of the enumeration.
///
/// LikeInitialiser needs 4,096 values of a matrix, all finite, whose standard deviation, skewness
/// and excess kurtosis each lie within five standard errors of a sample of U(-a, a) or N(0, s), and
/// for U also an absmax just below a. Bounds known: 1/sqrt(in) (PyTorch's Linear),
/// sqrt(6/(in+out)) (Xavier), sqrt(6/in) (Kaiming); deviations: 0.02 (BERT, GPT-2, Llama), 1
/// (PyTorch's Embedding), sqrt(2/(in+out)), sqrt(2/in), sqrt(1/in).
[[nodiscard]] std::vector<RaisedFlag> raiseFlags(const TensorStats& stats,
                                                 const TensorMarks& marks);

}  // namespace loupe
