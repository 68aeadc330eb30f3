// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "gpu/timing/case.hpp"

#include <QJsonObject>

namespace loupe::app {

/// A request as sessions and kept runs hold it.
[[nodiscard]] QJsonObject toJson(const gpu::TimingRequest& request);
/// What is missing or of another type keeps its default; sizes below 1 become 1,
/// a number of outliers below 0 becomes 0.
[[nodiscard]] gpu::TimingRequest requestFromJson(const QJsonObject& json);

}  // namespace loupe::app
