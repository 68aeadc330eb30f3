// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"

#include <memory>

namespace loupe::app {

/// What a plane is made from; the fillers share ownership, so a plane outlives the document's
/// state.
struct PlaneInputs {
    std::shared_ptr<const RowSource> weights;
    std::shared_ptr<const SchemeResult> a;  ///< the side asked for, or A where both take part
    std::shared_ptr<const SchemeResult> b;  ///< only for Difference and SchemesDiffer
};

/// Rows of a quantity, decoded on demand: no tensor-sized temporaries.
[[nodiscard]] RowFiller planeFiller(Quantity quantity, const PlaneInputs& inputs);

/// The quantity with its pyramid. @errors those of the rows; Invalid where a scheme has no codes
[[nodiscard]] Result<std::shared_ptr<const PlaneData>> buildPlane(Quantity quantity,
                                                                  const PlaneInputs& inputs,
                                                                  const JobContext& ctx);

}  // namespace loupe::app
