// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QLabel>

class QToolButton;

namespace loupe::app {

/// A fact that is not editable (shape, dtype), a mark of truth, or a warning: 20 px high, rounded.
class Chip : public QLabel {
    Q_OBJECT

public:
    enum class Kind {
        Fact,     ///< raised, numbers in mono
        Exact,    ///< neutral outline with a check
        Outlier,  ///< diamond and words in the outlier colour, no box
        Warning,  ///< dashed outline in the warning colour: sampled, emulated, edited
    };
    explicit Chip(Kind kind, QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    [[nodiscard]] int iconSpace() const;
    Kind m_kind;
};

}  // namespace loupe::app
