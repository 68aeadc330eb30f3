// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QStatusBar>
#include <QTimer>

class QLabel;

namespace loupe::app {

class Document;

/// Exact read-out of the cell under the mouse (else the selected one) and the running job.
class StatusBar : public QStatusBar {
    Q_OBJECT

public:
    explicit StatusBar(Document& document, QWidget* parent = nullptr);
    /// The read-out as plain text.
    [[nodiscard]] QString readout() const;

private:
    void updateReadout();

    Document& m_document;
    QLabel* m_readout = nullptr;
    QTimer m_coalesce;  ///< at most one read-out a frame
};

}  // namespace loupe::app
