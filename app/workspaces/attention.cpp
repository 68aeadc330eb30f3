// SPDX-License-Identifier: GPL-3.0-or-later
// Attention: standard against tiled, tile by tile.
#include "app/widgets/controls.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/quiet_end.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "app/workspaces/attention/attention_bar.hpp"
#include "app/workspaces/attention/attention_model.hpp"
#include "app/workspaces/attention/size_form.hpp"
#include "app/workspaces/attention/step_panels.hpp"
#include "app/workspaces/attention/tile_grid.hpp"
#include "app/workspaces/workspace.hpp"

#include <QAbstractButton>
#include <QAbstractSlider>
#include <QAbstractSpinBox>
#include <QApplication>
#include <QKeyEvent>
#include <QLineEdit>
#include <QPainter>
#include <QScrollArea>
#include <QSplitter>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

constexpr int kWidthM = 1500;
constexpr int kWidthL = 2300;
constexpr int kLow = 520;  // below this height the softmax table stands with the other panels

class AttentionPage : public WorkspacePage {
    Q_OBJECT

public:
    AttentionPage(Document& document, QWidget* parent);

    [[nodiscard]] QWidget* contextBar() override { return m_bar; }
    [[nodiscard]] bool busy() const override { return m_model->busy(); }
    void resetLayout() override;
    void refresh(Changes) override { m_model->update(); }
    [[nodiscard]] QJsonObject save() const override { return m_model->save(); }
    void restore(const QJsonObject& state) override { m_model->restore(state); }
    [[nodiscard]] QString copyText() const override { return m_grid->copyText(); }
    [[nodiscard]] bool canExport() const override { return m_model->trace() != nullptr; }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] QSizeF exportSize() const override;

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    QScrollArea* scrolled(QWidget* content, QWidget* parent);
    void arrange();
    void applyWidths();
    void takeTrace();
    bool handleKey(const QKeyEvent& event, QWidget* focus);

    AttentionModel* m_model = nullptr;
    AttentionBar* m_bar = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    QSplitter* m_columns = nullptr;
    QSplitter* m_left = nullptr;
    QSplitter* m_centre = nullptr;
    QVBoxLayout* m_panels = nullptr;
    SizeForm* m_sizes = nullptr;
    TileGrid* m_grid = nullptr;
    SoftmaxPanel* m_softmax = nullptr;
    TrafficPanel* m_traffic = nullptr;
    bool m_moved = false;  ///< a divider, by hand
    bool m_small = false;
    bool m_low = false;
    bool m_arranged = false;
    QuietEnd m_end{this};
};

AttentionPage::AttentionPage(Document& document, QWidget* parent)
    : WorkspacePage(document, parent) {
    setWindowTitle(tr("Attention"));
    setProperty("loupeStandsAlone", true);
    m_model = new AttentionModel(document, this);
    m_bar = new AttentionBar(*m_model);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_progress = new ProgressLine(this);
    layout->addWidget(m_progress);
    m_message = new MessageBar(this);
    layout->addWidget(m_message);
    m_columns = new QSplitter(Qt::Horizontal, this);
    m_columns->setChildrenCollapsible(false);
    layout->addWidget(m_columns, 1);
    m_left = new QSplitter(Qt::Vertical, m_columns);
    m_left->setChildrenCollapsible(false);
    m_sizes = new SizeForm(*m_model);
    m_left->addWidget(scrolled(m_sizes, m_left));
    m_centre = new QSplitter(Qt::Vertical, m_columns);
    m_centre->setChildrenCollapsible(false);
    m_grid = new TileGrid(*m_model, m_centre);
    m_softmax = new SoftmaxPanel(*m_model, m_left);
    auto* right = new QWidget;
    m_panels = new QVBoxLayout(right);
    m_panels->setContentsMargins(0, 0, 0, 0);
    m_panels->setSpacing(Theme::px(4));
    m_traffic = new TrafficPanel(*m_model, right);
    m_panels->addWidget(m_traffic);
    m_panels->addWidget(new ChipPanel(*m_model, right));
    m_panels->addWidget(new FormulaPanel(*m_model, right));
    m_panels->addWidget(new PaperPanel(*m_model, right));
    m_panels->addStretch(1);
    m_columns->addWidget(scrolled(right, m_columns));
    m_columns->setStretchFactor(1, 1);
    connect(m_columns, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    connect(m_model, &AttentionModel::traceChanged, this, &AttentionPage::takeTrace);
    connect(
        m_model, &AttentionModel::settingsChanged, this, [this] { setSubtitle(m_bar->facts()); });
    setSubtitle(m_bar->facts());
    connect(m_model, &AttentionModel::tileChanged, this, [this] {
        setReadout(m_grid->describe().toHtmlEscaped());
    });
    // Transport, algorithm, sizes, grid, softmax, traffic: as the page reads.
    setTabOrder(m_bar->algorithm(), m_sizes->example());
    setTabOrder(m_sizes->causal(), m_grid);
    setTabOrder(m_grid, m_softmax->rowField());
    setTabOrder(m_softmax->rowField(), m_softmax->table());
    setTabOrder(m_softmax->table(), m_traffic);
}

QScrollArea* AttentionPage::scrolled(QWidget* content, QWidget* parent) {
    auto* area = new QScrollArea(parent);
    area->setFrameShape(QFrame::NoFrame);
    area->setWidgetResizable(true);
    area->setFocusPolicy(Qt::NoFocus);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    area->setWidget(content);
    area->viewport()->setAutoFillBackground(false);
    content->setAutoFillBackground(false);
    return area;
}

void AttentionPage::resetLayout() {
    m_arranged = false;
    m_moved = false;
    arrange();
    applyWidths();
}

/// The softmax table stands under the sizes, left of the grid; in a small window under the grid.
void AttentionPage::arrange() {
    const bool small = width() / Theme::fontScale() < kWidthM;
    const bool low = small && height() / Theme::fontScale() < kLow;
    if (m_arranged && small == m_small && low == m_low) {
        return;
    }
    m_arranged = true;
    m_small = small;
    m_low = low;
    if (low) {
        constexpr int kAfterTraffic = 1;
        m_panels->insertWidget(kAfterTraffic, m_softmax);
    } else {
        m_panels->removeWidget(m_softmax);
        (small ? m_centre : m_left)->addWidget(m_softmax);
    }
    m_softmax->show();
    m_left->setSizes({height() * 2 / 5, height() * 3 / 5});
    m_centre->setSizes({height() * 68 / 100, height() * 32 / 100});
    m_moved = false;
}

void AttentionPage::applyWidths() {
    if (m_moved) {
        return;
    }
    const double wide = width() / Theme::fontScale();
    const int left = std::min(Theme::px(wide < kWidthM   ? 252
                                        : wide < kWidthL ? 400
                                                         : 460),
                              width() * 3 / 10);
    const int right = std::min(Theme::px(wide < kWidthM   ? 360
                                         : wide < kWidthL ? 448
                                                          : 520),
                               width() * 35 / 100);
    m_columns->setSizes({left, std::max(1, width() - left - right), right});
}

void AttentionPage::takeTrace() {
    m_progress->setProgress(m_model->busy() ? std::optional(-1.0) : std::nullopt);
    if (m_model->error()) {
        m_message->showError(*m_model->error());
    } else {
        m_message->clear();
    }
}

QSizeF AttentionPage::exportSize() const {
    return {static_cast<double>(Theme::px(860)), static_cast<double>(Theme::px(480))};
}

/// The grid and, beside it, what it moved.
void AttentionPage::paintExport(QPainter& painter, const QRectF& target) {
    const double room = target.width() * 0.56;
    m_grid->paintTo(painter, {target.left(), target.top(), room, target.height()});
    const QRectF beside(target.left() + room + Theme::px(12),
                        target.top() + Theme::px(30),
                        target.width() - room - Theme::px(12),
                        target.height());
    m_traffic->layOut(&painter, beside);
}

void AttentionPage::showEvent(QShowEvent* event) {
    WorkspacePage::showEvent(event);
    qApp->installEventFilter(this);
    arrange();
    applyWidths();
    m_model->update();
}

void AttentionPage::hideEvent(QHideEvent* event) {
    WorkspacePage::hideEvent(event);
    qApp->removeEventFilter(this);
    m_model->setPlaying(false);
}

void AttentionPage::resizeEvent(QResizeEvent* event) {
    WorkspacePage::resizeEvent(event);
    arrange();
    applyWidths();
}

/// Space, arrows, Home and End belong to the transport wherever the focus is, except where
/// something is being entered, and the grid's arrows are its own.
bool AttentionPage::handleKey(const QKeyEvent& event, QWidget* focus) {
    if (event.modifiers() & ~Qt::KeypadModifier) {
        return false;
    }
    const bool entering = qobject_cast<QLineEdit*>(focus) != nullptr ||
                          qobject_cast<QAbstractSpinBox*>(focus) != nullptr;
    const bool own = focus != nullptr && m_bar->isAncestorOf(focus);
    const bool slides = qobject_cast<QAbstractSlider*>(focus) != nullptr && !own;
    const bool presses = qobject_cast<QAbstractButton*>(focus) != nullptr;
    if (entering || slides) {
        return false;
    }
    switch (event.key()) {
        case Qt::Key_Space:
            if (presses) {
                return false;
            }
            m_model->setPlaying(!m_model->isPlaying());
            return true;
        case Qt::Key_Left:
        case Qt::Key_Right:
            if (focus == m_grid || qobject_cast<Toggle*>(focus) != nullptr) {
                return false;
            }
            m_model->move(event.key() == Qt::Key_Left ? -1 : 1);
            return true;
        case Qt::Key_Home:
            m_model->move(-1000000);
            return true;
        case Qt::Key_End:
            m_model->move(1000000);
            return true;
        default:
            return false;
    }
}

bool AttentionPage::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::KeyPress && isVisible() && watched->isWidgetType() &&
        QApplication::activeModalWidget() == nullptr &&
        QApplication::activePopupWidget() == nullptr) {
        auto* widget = static_cast<QWidget*>(watched);
        if (widget->window() == window() && widget == QApplication::focusWidget() &&
            handleKey(*static_cast<QKeyEvent*>(event), widget)) {
            return true;
        }
    }
    return WorkspacePage::eventFilter(watched, event);
}

}  // namespace

extern const WorkspaceDefinition kWorkspace_attention;
const WorkspaceDefinition kWorkspace_attention{
    "attention",
    QT_TRANSLATE_NOOP("Workspace", "Attention"),
    [](Document& document, QWidget* parent) -> WorkspacePage* {
        return new AttentionPage(document, parent);
    }};

}  // namespace loupe::app

#include "attention.moc"
