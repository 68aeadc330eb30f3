// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

namespace loupe::app {

/// A fact that is not editable: "4096 × 4096", "fp16". Elides in the middle.
class FactChip : public QWidget {
    Q_OBJECT

public:
    explicit FactChip(const QString& text = {}, QWidget* parent = nullptr);
    void setText(const QString& text);
    [[nodiscard]] QString text() const { return m_text; }
    /// Mono (numbers, the default) or the UI face.
    void setMono(bool mono);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_text;
};

/// "A" filled or "B" in a dashed outline.
class LetterBadge : public QWidget {
    Q_OBJECT

public:
    explicit LetterBadge(bool second, QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override;
    /// For delegates: the badge in a square.
    static void draw(QPainter& painter, const QRectF& rect, bool second);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    bool m_second;
};

/// The mark of truth: says how a number came about. A shape and a word, never colour alone.
class TruthMark : public QWidget {
    Q_OBJECT

public:
    enum class Kind {
        None,          ///< takes no room
        Exact,         ///< solid outline, check
        Sampled,       ///< dashed outline, "≈ sampled n of N"
        Pooled,        ///< neutral chip
        Emulated,      ///< dashed outline and the word
        Extrapolated,
        Clipped,
        Nan,           ///< solid error outline
        Outlier,       ///< diamond and text
    };
    explicit TruthMark(QWidget* parent = nullptr);
    /// Empty text: the kind's own word ("exact").
    void setMark(Kind kind, const QString& text = {});
    [[nodiscard]] Kind kind() const { return m_kind; }
    [[nodiscard]] QString text() const { return m_text; }
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    [[nodiscard]] int iconWidth() const;

    Kind m_kind = Kind::None;
    QString m_text;
};

}  // namespace loupe::app
