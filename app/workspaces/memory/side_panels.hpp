// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTabWidget>

class QLabel;

namespace loupe::app {

class MemoryModel;
class NumberTable;

/// Beside the bars: every format with its bytes, the chosen device's figures with their sources,
/// and what the prefixes mean.
class MemoryTabs : public QTabWidget {
    Q_OBJECT

public:
    explicit MemoryTabs(MemoryModel& model, QWidget* parent = nullptr);
    [[nodiscard]] NumberTable* formats() const { return m_formats; }
    [[nodiscard]] QLabel* deviceText() const { return m_device; }

protected:
    void changeEvent(QEvent* event) override;

private:
    QWidget* page(QLabel* label);
    void showFormats();
    void markFormat();
    void showDevice();
    void showPrefixes();

    MemoryModel& m_model;
    NumberTable* m_formats = nullptr;
    QLabel* m_device = nullptr;
    QLabel* m_prefixes = nullptr;
    bool m_updating = false;
};

}  // namespace loupe::app
