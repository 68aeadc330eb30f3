// SPDX-License-Identifier: GPL-3.0-or-later
// The theatre: quantizers and pruners played step by step on a small layer.
#include "app/plot/plot_style.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/play.hpp"
#include "app/workspaces/theatre/choice_panel.hpp"
#include "app/workspaces/theatre/figure_row.hpp"
#include "app/workspaces/theatre/panel_stack.hpp"
#include "app/workspaces/theatre/step_notes.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"
#include "app/workspaces/theatre/trace_plot.hpp"
#include "app/workspaces/theatre/transport.hpp"
#include "app/workspaces/workspace.hpp"

#include <QAbstractButton>
#include <QAbstractSlider>
#include <QAbstractSpinBox>
#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QKeyEvent>
#include <QLineEdit>
#include <QListWidget>
#include <QPainter>
#include <QScrollArea>
#include <QSplitter>
#include <QTabWidget>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

constexpr int kWidthM = 1500;
constexpr int kWidthL = 2300;
constexpr int kLowWindow = 620;  // below this height the curve is a tab beside the step

enum class PageSize { S, M, L };

class AlgorithmsPage : public WorkspacePage {
    Q_OBJECT

public:
    AlgorithmsPage(Document& document, QWidget* parent);
    ~AlgorithmsPage() override;

    [[nodiscard]] QWidget* contextBar() override { return m_transport; }
    [[nodiscard]] bool busy() const override { return m_model->busy(); }
    void resetLayout() override;
    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override { return m_panels->copyText(); }
    [[nodiscard]] bool canExport() const override { return m_model->state() != nullptr; }
    void paintExport(QPainter& painter, const QRectF& target) override {
        m_panels->paintTo(painter, target);
    }
    [[nodiscard]] QSizeF exportSize() const override { return m_panels->size(); }

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void buildCentre();
    void arrange();
    void applyWidths();
    void takeTrace();
    void showError();
    [[nodiscard]] QString ownSource() const;
    void useAs(Side side);
    bool handleKey(const QKeyEvent& event, QWidget* focus);
    [[nodiscard]] PageSize pageSize() const;

    TheatreModel* m_model = nullptr;
    Transport* m_transport = nullptr;
    QSplitter* m_columns = nullptr;
    QSplitter* m_left = nullptr;
    MethodList* m_methods = nullptr;
    ParameterPanel* m_parameters = nullptr;
    QWidget* m_centre = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    QScrollArea* m_scroll = nullptr;
    PanelStack* m_panels = nullptr;
    FigureRow* m_figures = nullptr;
    QTabWidget* m_right = nullptr;
    QSplitter* m_step = nullptr;
    StepNotes* m_notes = nullptr;
    TracePlot* m_plot = nullptr;
    QAction* m_fixture = nullptr;
    QAction* m_inspect = nullptr;
    bool m_arranged = false;
    bool m_moved = false;  ///< a divider, by hand
    PageSize m_size = PageSize::M;
    bool m_low = false;
};

AlgorithmsPage::AlgorithmsPage(Document& document, QWidget* parent)
    : WorkspacePage(document, parent) {
    m_model = new TheatreModel(document, this);
    m_transport = new Transport(*m_model);
    m_columns = new QSplitter(Qt::Horizontal, this);
    m_columns->setChildrenCollapsible(false);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_columns);
    m_left = new QSplitter(Qt::Vertical, m_columns);
    m_left->setChildrenCollapsible(false);
    m_methods = new MethodList(*m_model, m_left);
    m_parameters = new ParameterPanel(*m_model, m_left);
    buildCentre();
    m_right = new QTabWidget(m_columns);
    m_right->setTabBarAutoHide(true);
    m_right->setDocumentMode(true);
    m_step = new QSplitter(Qt::Vertical, m_right);
    m_step->setChildrenCollapsible(false);
    m_notes = new StepNotes(*m_model, m_step);
    m_plot = new TracePlot(*m_model, m_step);
    m_right->addTab(m_step, tr("Step"));
    m_columns->setStretchFactor(1, 1);
    connect(m_columns, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    connect(m_model, &TheatreModel::traceChanged, this, &AlgorithmsPage::takeTrace);
    connect(m_panels, &PanelStack::hovered, this, [this](const QString& html) {
        setReadout(html.isEmpty() ? m_panels->readout() : html);
    });
    connect(m_model, &TheatreModel::cellChanged, this, [this] { setReadout(m_panels->readout()); });
    connect(m_transport, &Transport::useAsA, this, [this] { useAs(Side::A); });
    connect(m_transport, &Transport::useAsB, this, [this] { useAs(Side::B); });
    connect(m_transport, &Transport::copyScheme, this, [this] {
        QApplication::clipboard()->setText(m_model->schemeText());
    });
    m_fixture = new QAction(tr("Play a made-up layer"), this);
    connect(m_fixture, &QAction::triggered, this, [this] { m_model->setSource(ownSource()); });
    m_inspect = new QAction(tr("Show in Inspect"), this);
    connect(m_inspect, &QAction::triggered, this, [this] {
        m_message->clear();
        if (auto* action = window()->findChild<QAction*>(QStringLiteral("workspace.inspect"))) {
            action->trigger();
        }
    });
    // Tab goes from the transport to the methods and so on, as the page reads.
    setTabOrder(m_transport, m_methods->list());
    setTabOrder(m_methods->list(), m_parameters);
    setTabOrder(m_parameters, m_panels);
    setTabOrder(m_panels, m_notes);
    setTabOrder(m_notes, m_plot);
}

AlgorithmsPage::~AlgorithmsPage() {
    disconnect(m_model, nullptr, this, nullptr);
}

void AlgorithmsPage::buildCentre() {
    m_centre = new QWidget(m_columns);
    m_centre->setAutoFillBackground(true);
    m_centre->setBackgroundRole(QPalette::Base);
    m_centre->setMinimumWidth(Theme::px(320));
    auto* layout = new QVBoxLayout(m_centre);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_progress = new ProgressLine(m_centre);
    layout->addWidget(m_progress);
    m_message = new MessageBar(m_centre);
    layout->addWidget(m_message);
    auto* inner = new QVBoxLayout;
    inner->setContentsMargins(Theme::px(14), Theme::px(8), Theme::px(14), Theme::px(4));
    inner->setSpacing(Theme::px(4));
    m_scroll = new QScrollArea(m_centre);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setWidgetResizable(true);
    m_scroll->setFocusPolicy(Qt::NoFocus);
    m_scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_panels = new PanelStack(*m_model, m_scroll);
    m_scroll->setWidget(m_panels);
    m_scroll->viewport()->installEventFilter(this);
    inner->addWidget(m_scroll, 1);
    m_figures = new FigureRow(*m_model, m_centre);
    inner->addWidget(m_figures);
    layout->addLayout(inner, 1);
}

PageSize AlgorithmsPage::pageSize() const {
    const double wide = width() / Theme::fontScale();
    return wide < kWidthM ? PageSize::S : wide < kWidthL ? PageSize::M : PageSize::L;
}

void AlgorithmsPage::resetLayout() {
    m_arranged = false;
    arrange();
}

/// Small windows: the methods are a combo box in the transport, parameters and curve tabs beside
/// the step.
void AlgorithmsPage::arrange() {
    const PageSize size = pageSize();
    const bool low = height() / Theme::fontScale() < kLowWindow || size == PageSize::S;
    if (m_arranged && size == m_size && low == m_low) {
        return;
    }
    m_size = size;
    m_low = low;
    m_arranged = true;
    const bool small = size == PageSize::S;
    m_transport->setMethodShown(small);
    m_left->setVisible(!small);
    const auto tabOf = [this](QWidget* widget) { return m_right->indexOf(widget); };
    if (small) {
        if (tabOf(m_parameters) < 0) {
            m_right->insertTab(1, m_parameters, tr("Parameters"));
        }
    } else {
        m_left->addWidget(m_parameters);
        m_parameters->show();
    }
    const bool plotWanted = m_plot->hasContent();
    if (low && plotWanted) {
        if (tabOf(m_plot) < 0) {
            m_right->addTab(m_plot, tr("Curve"));
        }
    } else {
        m_step->addWidget(m_plot);
        m_plot->setVisible(plotWanted);
    }
    m_left->setSizes({height() * 3 / 5, height() * 2 / 5});
    m_step->setSizes({height() * 3 / 5, height() * 2 / 5});
    m_moved = false;
    applyWidths();
}

/// The widths of layout.md, until somebody moves a divider.
void AlgorithmsPage::applyWidths() {
    if (m_moved) {
        return;
    }
    const bool small = m_size == PageSize::S;
    const int wanted = Theme::px(small ? 360 : m_size == PageSize::M ? 448 : 520);
    const int right = std::min(wanted, width() * 2 / 5);
    const int left = small ? 0 : Theme::px(m_size == PageSize::M ? 240 : 280);
    m_columns->setSizes({left, std::max(1, width() - left - right), right});
}

void AlgorithmsPage::refresh(Changes what) {
    if (what & (Changes(Change::Source) | Change::Tensor | Change::Inputs)) {
        m_model->update();
    }
}

void AlgorithmsPage::takeTrace() {
    m_progress->setProgress(m_model->busy() ? std::optional(-1.0) : std::nullopt);
    m_figures->setVisible(m_model->trace() != nullptr);
    showError();
    const bool plotShown = m_right->indexOf(m_plot) >= 0 || !m_plot->isHidden();
    if (plotShown != m_plot->hasContent()) {
        m_arranged = false;
        arrange();
    }
}

/// The made-up layer that shows the method well.
QString AlgorithmsPage::ownSource() const {
    const Method* method = m_model->method();
    return method == nullptr ? QStringLiteral("synthetic:F1")
                             : QString::fromUtf8(method->source.data(),
                                                 static_cast<qsizetype>(method->source.size()));
}

void AlgorithmsPage::showError() {
    if (!m_model->error()) {
        m_message->clear();
        return;
    }
    const Error& error = *m_model->error();
    m_message->showError(error);
    std::vector<QAction*> actions;
    if (m_model->playsTensor()) {
        if (error.code == ErrorCode::Missing && document().tensor() != nullptr) {
            if (auto* add = window()->findChild<QAction*>(QStringLiteral("addActivations"))) {
                actions.push_back(add);
            }
        }
    }
    if (m_model->source() != ownSource()) {
        actions.push_back(m_fixture);
    }
    m_message->setActions(actions);
}

void AlgorithmsPage::useAs(Side side) {
    document().setScheme(side,
                         m_model->schemeText(),
                         tr("Scheme %1 from the theatre").arg(side == Side::A ? tr("A") : tr("B")));
    m_message->showMessage(
        MessageBar::Role::Neutral,
        tr("Scheme %1 is now %2.").arg(side == Side::A ? tr("A") : tr("B"), m_model->schemeText()));
    m_message->setActions({m_inspect});
}

QJsonObject AlgorithmsPage::save() const {
    QJsonObject state = m_model->save();
    state[QStringLiteral("columns")] = QString::fromLatin1(m_columns->saveState().toBase64());
    state[QStringLiteral("size")] = static_cast<int>(m_size);
    return state;
}

void AlgorithmsPage::restore(const QJsonObject& state) {
    m_model->restore(state);
    const QByteArray columns =
        QByteArray::fromBase64(state[QStringLiteral("columns")].toString().toLatin1());
    if (!columns.isEmpty() && m_arranged &&
        state[QStringLiteral("size")].toInt() == static_cast<int>(m_size)) {
        m_columns->restoreState(columns);
        m_moved = true;
    }
}

void AlgorithmsPage::showEvent(QShowEvent* event) {
    WorkspacePage::showEvent(event);
    qApp->installEventFilter(this);
    arrange();
    m_model->update();
}

void AlgorithmsPage::hideEvent(QHideEvent* event) {
    WorkspacePage::hideEvent(event);
    qApp->removeEventFilter(this);
    m_model->setPlaying(false);
}

void AlgorithmsPage::resizeEvent(QResizeEvent* event) {
    WorkspacePage::resizeEvent(event);
    arrange();
    applyWidths();
    m_figures->setRoom(height() * 3 / 10);
}

/// Space, arrows, Home and End belong to the transport wherever the focus is, except where a text
/// or a number is being entered.
bool AlgorithmsPage::handleKey(const QKeyEvent& event, QWidget* focus) {
    if (event.modifiers() & ~Qt::KeypadModifier) {
        return false;
    }
    const bool entering = qobject_cast<QLineEdit*>(focus) != nullptr ||
                          qobject_cast<QAbstractSpinBox*>(focus) != nullptr;
    const auto* combo = qobject_cast<QComboBox*>(focus);
    const bool own = focus != nullptr && (focus == m_transport || m_transport->isAncestorOf(focus));
    const bool slides = qobject_cast<QAbstractSlider*>(focus) != nullptr && !own;
    const bool presses = qobject_cast<QAbstractButton*>(focus) != nullptr;
    if (entering || (combo != nullptr && combo->isEditable()) || slides) {
        return false;
    }
    switch (event.key()) {
        case Qt::Key_Space:
            if (presses || combo != nullptr) {
                return false;  // the button that has the focus is pressed
            }
            m_model->setPlaying(!m_model->isPlaying());
            return true;
        case Qt::Key_Left:
            m_model->step(-1);
            return true;
        case Qt::Key_Right:
            m_model->step(1);
            return true;
        case Qt::Key_Home:
            m_model->step(-1000000);
            return true;
        case Qt::Key_End:
            m_model->step(1000000);
            return true;
        default:
            return false;
    }
}

bool AlgorithmsPage::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_scroll->viewport() && event->type() == QEvent::Resize) {
        m_panels->setRoom(m_scroll->viewport()->height());
    }
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

bool playInAlgorithms(const QWidget& from, const QString& scheme) {
    const QWidget* window = &from;
    while (window->parentWidget() != nullptr) {
        window = window->parentWidget();  // a panel that floats is a window of its own
    }
    auto* show = window->findChild<QAction*>(QStringLiteral("workspace.algorithms"));
    const Result<Scheme> parsed = parseScheme(scheme.toStdString());
    if (show == nullptr || !parsed || methodFor(*parsed) == nullptr) {
        return false;
    }
    show->trigger();
    auto* model = window->findChild<TheatreModel*>();
    return model != nullptr && model->play(scheme);
}

extern const WorkspaceDefinition kWorkspace_algorithms;
const WorkspaceDefinition kWorkspace_algorithms{
    "algorithms",
    QT_TRANSLATE_NOOP("Workspace", "Algorithms"),
    [](Document& document, QWidget* parent) -> WorkspacePage* {
        return new AlgorithmsPage(document, parent);
    }};

}  // namespace loupe::app

#include "algorithms.moc"
