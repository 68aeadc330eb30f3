// SPDX-License-Identifier: GPL-3.0-or-later
// The only includer of QCustomPlot.
#pragma once

#include <qcustomplot.h>
