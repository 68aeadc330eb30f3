// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/atlas/atlas_model.hpp"

#include <QWidget>

class QLabel;
class QListWidget;
class QPushButton;

namespace loupe::app {

/// Which metric is shown, in groups by where it comes from; one's own table; pause and go on.
class MetricPanel : public QWidget {
    Q_OBJECT

public:
    explicit MetricPanel(AtlasModel& model, QWidget* parent = nullptr);

    [[nodiscard]] QListWidget* list() const { return m_list; }
    [[nodiscard]] QPushButton* pauseButton() const { return m_pause; }
    [[nodiscard]] QPushButton* importButton() const { return m_import; }

signals:
    void importRequested();

protected:
    void changeEvent(QEvent* event) override;

private:
    void fill();
    void follow();
    void showProgress();

    AtlasModel& m_model;
    QListWidget* m_list = nullptr;
    QLabel* m_help = nullptr;
    QLabel* m_status = nullptr;
    QPushButton* m_pause = nullptr;
    QPushButton* m_import = nullptr;
    bool m_filling = false;
};

}  // namespace loupe::app
