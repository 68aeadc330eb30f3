// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <utility>
#include <vector>

class QHBoxLayout;
class QLabel;

namespace loupe::app {

class FactChip;

/// The row under the top bar of a workspace: panel background, a line below, a fixed height.
class ContextRow : public QWidget {
    Q_OBJECT

public:
    explicit ContextRow(QWidget* parent = nullptr);
    [[nodiscard]] QHBoxLayout* row() const { return m_row; }
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    /// What has no room beside the others is left out, the first ones last.
    /// @param optional  in the order in which they get room, and whether they are wanted at all
    /// @param absent    children that take no room now
    void fold(const std::vector<std::pair<QWidget*, bool>>& optional,
              const std::vector<const QWidget*>& absent = {});
    void paintEvent(QPaintEvent* event) override;

private:
    QHBoxLayout* m_row = nullptr;
};

/// A context row that begins with what the workspace is about: a title and its facts.
class SubjectRow : public ContextRow {
    Q_OBJECT

public:
    explicit SubjectRow(QWidget* parent = nullptr);
    /// Without facts the chip is gone.
    void setSubject(const QString& title, const QString& facts);
    /// "title, facts": subtitles and exports.
    [[nodiscard]] QString subject() const;

private:
    QLabel* m_title = nullptr;
    FactChip* m_facts = nullptr;
};

}  // namespace loupe::app
