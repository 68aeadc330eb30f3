// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPointer>
#include <QStatusBar>
#include <QTimer>

class QLabel;

namespace loupe::app {

class Document;
class WorkspacePage;

/// Exact read-out of the cell under the mouse (else the selected one) and the running job.
class StatusBar : public QStatusBar {
    Q_OBJECT

public:
    explicit StatusBar(Document& document, QWidget* parent = nullptr);
    /// The read-out as plain text.
    [[nodiscard]] QString readout() const;
    /// Says what a workspace's page says; null: the cell of the document again.
    void follow(WorkspacePage* page);

private:
    void updateReadout();

    Document& m_document;
    QLabel* m_readout = nullptr;
    QPointer<WorkspacePage> m_page;
    QTimer m_coalesce;  ///< at most one read-out a frame
};

}  // namespace loupe::app
