// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/curve_plot.hpp"
#include "app/views/sweep_runs.hpp"
#include "app/views/view.hpp"

#include <QTimer>

class QComboBox;
class QHBoxLayout;
class QLabel;
class QLineEdit;
class QMenu;
class QPushButton;
class QToolButton;

namespace loupe::app {

class EmptyState;
class MessageBar;
class ProgressLine;

/// One parameter of one or several schemes over a range, against any figure.
class CurvesView : public View {
    Q_OBJECT

public:
    explicit CurvesView(Document& document, QWidget* parent = nullptr);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return true; }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] QSizeF exportSize() const override { return {960, 600}; }

    /// For tests and lessons.
    void setMethods(const QStringList& schemes);
    [[nodiscard]] const QStringList& methods() const { return m_methods; }
    /// Sets parameter and range (empty: the suggested one).
    void setParameter(const QString& key, const QString& range = {});
    void setFigure(const QString& id);
    [[nodiscard]] SweepRuns& runs() { return *m_runs; }
    [[nodiscard]] CurvePlot& plot() { return *m_plot; }
    /// Why the choice cannot be swept; empty: it can.
    [[nodiscard]] QString problem() const { return m_problem; }

protected:
    void showEvent(QShowEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void makeSettings();
    void makeMethods();
    void fillKeys();
    void fillChips();
    void fillAddMenu();
    void addMethod(const QString& scheme);
    void removeMethod(int index);
    void settingsChanged();
    void run(bool asked);
    void showState();
    void showReadout();
    [[nodiscard]] bool mayTakeLong() const;
    [[nodiscard]] std::optional<SweepRequest> request();
    [[nodiscard]] std::optional<QString> nowOf(Side side) const;
    [[nodiscard]] QString key() const;

    QStringList m_methods;
    QString m_problem;
    SweepRuns* m_runs = nullptr;
    QWidget* m_settings = nullptr;
    QWidget* m_methodRow = nullptr;
    QWidget* m_chips = nullptr;
    QHBoxLayout* m_chipLayout = nullptr;
    QComboBox* m_key = nullptr;
    QLineEdit* m_range = nullptr;
    QComboBox* m_figure = nullptr;
    QToolButton* m_logX = nullptr;
    QToolButton* m_logY = nullptr;
    QPushButton* m_run = nullptr;
    QToolButton* m_add = nullptr;
    QMenu* m_addMenu = nullptr;
    QLabel* m_readout = nullptr;
    CurvePlot* m_plot = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    EmptyState* m_empty = nullptr;
    QTimer m_delay;
    bool m_filling = false;
    bool m_figureChosen = false;
};

}  // namespace loupe::app
