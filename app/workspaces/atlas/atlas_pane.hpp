// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/atlas/atlas_model.hpp"

#include <QWidget>

class QLabel;
class QPushButton;
class QSplitter;

namespace loupe::app {

class AtlasPicture;
class EmptyState;
class FlagPanel;
class MessageBar;
class MetricPanel;
class ProgressLine;
class RangeLegend;

/// Metrics, the picture with its legend and the selected cell, threshold and list.
class AtlasPane : public QWidget {
    Q_OBJECT

public:
    explicit AtlasPane(AtlasModel& model, QWidget* parent = nullptr);

    [[nodiscard]] AtlasPicture& picture() { return *m_picture; }
    [[nodiscard]] RangeLegend& legend() { return *m_legend; }
    [[nodiscard]] FlagPanel& flags() { return *m_flags; }
    [[nodiscard]] MetricPanel& chooser() { return *m_metrics; }
    [[nodiscard]] MessageBar& message() { return *m_message; }
    /// Reads a table of the user's in the background. Errors are told in the message bar.
    void importOwn(const QString& path);
    void resetLayout();
    [[nodiscard]] double exportHeight(double width) const;
    void paintExport(QPainter& painter, const QRectF& target);

signals:
    void readoutChanged(const QString& html);

protected:
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void buildCentre();
    void askImport();
    void takeOwn(const QString& path, const OwnTable& table);
    void showValues();
    void showSelection();
    void arrange();

    AtlasModel& m_model;
    QSplitter* m_columns = nullptr;
    QSplitter* m_middle = nullptr;
    MetricPanel* m_metrics = nullptr;
    QWidget* m_centre = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_subtitle = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    QWidget* m_body = nullptr;
    EmptyState* m_empty = nullptr;
    AtlasPicture* m_picture = nullptr;
    RangeLegend* m_legend = nullptr;
    QLabel* m_detail = nullptr;
    QPushButton* m_open = nullptr;
    FlagPanel* m_flags = nullptr;
    QAction* m_closeMessage = nullptr;
    QAction* m_copyProblems = nullptr;
    QString m_problems;
    bool m_byHand = false;  ///< the colour range, until another metric is chosen
    bool m_moved = false;
    bool m_small = false;
    bool m_arranged = false;
};

}  // namespace loupe::app
