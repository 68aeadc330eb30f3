// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <optional>
#include <vector>

#include "app/widgets/bit_strip.hpp"

namespace loupe {
struct EquationLine;
}

namespace loupe::app {

/// A stretch of an equation in one style.
struct EquationRun {
    enum class Script { None, Raised, Lowered };
    enum class Weight { Normal, Result, Label };  ///< Result bold; Label in the UI face and text2
    QString text;
    Script script = Script::None;
    Weight weight = Weight::Normal;
    /// Underlined 3 px in the field's colour, dotted for sub-fields.
    std::optional<FieldKind> field{};
    friend bool operator==(const EquationRun&, const EquationRun&) = default;
};

/// "label = expression = result  note" with the result bold. "a^b" and "a^{...}" raise, "a_b" and "a_{...}" lower.
[[nodiscard]] std::vector<EquationRun> equationRuns(const EquationLine& line);
/// The same markup for any text.
[[nodiscard]] std::vector<EquationRun> parseEquation(const QString& text);

/// An equation of styled runs. Raised and lowered text is 74 % of the size and never falls back to another font. Breaks
/// between runs and at blanks where the row is full. Readable for screen readers; Ctrl+C copies plain text.
class EquationLabel : public QWidget {
    Q_OBJECT

public:
    explicit EquationLabel(QWidget* parent = nullptr);
    void setRuns(const std::vector<EquationRun>& runs);
    [[nodiscard]] const std::vector<EquationRun>& runs() const { return m_runs; }
    /// "2^(9-15)": what is copied and read aloud.
    [[nodiscard]] QString plainText() const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Piece {
        QString text;
        const EquationRun* run = nullptr;
        double x = 0;
        int line = 0;
        double width = 0;
    };
    [[nodiscard]] QFont fontOf(const EquationRun& run) const;
    [[nodiscard]] std::vector<Piece> layOut(double width, int* lines, double* used) const;
    [[nodiscard]] double lineHeight() const;

    std::vector<EquationRun> m_runs;
};

}  // namespace loupe::app
