// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/curves_view.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/plot/category.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QJsonArray>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPainter>
#include <QPixmap>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kDelayMs = 250;
constexpr std::int64_t kLargeLayer = 1 << 18;  ///< weights from which a solver is waited for
constexpr qsizetype kMostMethods = 8;
constexpr const char* kFirstMethods[] = {"magnitude", "wanda", "sparsegpt"};

QString text(std::string_view view) {
    return QString::fromUtf8(view.data(), static_cast<qsizetype>(view.size()));
}

bool hasActivations(const Document& document) {
    const InputReferences references = inputReferences(document);
    return !references.activations.empty() || references.ownActivations;
}

std::optional<Scheme> parsed(const QString& scheme) {
    Result<Scheme> result = parseScheme(scheme.toStdString());
    return result && !result->empty() ? std::optional(*std::move(result)) : std::nullopt;
}

bool knows(const QString& scheme, const QString& key) {
    const std::optional<Scheme> method = parsed(scheme);
    if (!method) {
        return false;
    }
    const std::vector<SweepKey> keys = sweepKeys(*method);
    return std::any_of(keys.begin(), keys.end(), [&](const SweepKey& candidate) {
        return candidate.key == key.toStdString();
    });
}

QIcon markIcon(int category) {
    const int size = Theme::px(14);
    QPixmap pixmap(size * 2, size * 2);
    pixmap.setDevicePixelRatio(2);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    drawCategoryMark(painter, category, QPointF(size / 2.0, size / 2.0), size * 0.32);
    return pixmap;
}

}  // namespace

CurvesView::CurvesView(Document& document, QWidget* parent) : View(document, parent) {
    setAccessibleName(tr("Curves"));
    m_runs = new SweepRuns(document, this);
    m_progress = new ProgressLine(this);
    makeSettings();
    makeMethods();
    m_message = new MessageBar(this);
    m_plot = new CurvePlot(this);
    m_readout = new ElidedLabel(this, Qt::ElideRight);
    setTextRole(m_readout, TextRole::Number);
    setTone(m_readout, Tone::Secondary);
    m_readout->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
    m_readout->setContentsMargins(Theme::px(8), Theme::px(2), Theme::px(8), Theme::px(4));
    m_empty = new EmptyState(this);
    m_empty->setContent(QStringLiteral("bars"),
                        tr("No tensor selected"),
                        tr("How a parameter changes the error appears here."));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_progress);
    layout->addWidget(m_settings);
    layout->addWidget(m_methodRow);
    layout->addWidget(m_message);
    layout->addWidget(m_plot, 1);
    layout->addWidget(m_readout);
    layout->addWidget(m_empty, 1);
    setFocusProxy(m_key);
    m_delay.setSingleShot(true);
    m_delay.setInterval(kDelayMs);
    connect(&m_delay, &QTimer::timeout, this, [this] { run(false); });
    connect(m_runs, &SweepRuns::changed, this, &CurvesView::showState);
    connect(m_plot, &CurvePlot::readoutChanged, this, &CurvesView::showReadout);
    connect(&document.jobs(), &JobManager::progressed, this, [this] {
        if (isVisible() && m_runs->running()) {
            m_progress->setProgress(m_runs->fraction());
        }
    });
}

void CurvesView::makeSettings() {
    m_settings = new QWidget(this);
    auto* row = new QHBoxLayout(m_settings);
    row->setContentsMargins(Theme::px(8), Theme::px(4), Theme::px(8), Theme::px(2));
    row->setSpacing(Theme::px(6));
    m_key = new QComboBox(m_settings);
    m_key->setAccessibleName(tr("Parameter"));
    m_key->setToolTip(tr("The parameter that is varied"));
    m_range = new QLineEdit(m_settings);
    m_range->setFont(Theme::font(TextRole::Number));
    setTextRole(m_range, TextRole::Number);
    m_range->setAccessibleName(tr("Values"));
    m_range->setToolTip(
        tr("2..8 · 0:1:0.05 (from:to:step) · 1e-4:1:x10 (from:to:factor) · "
           "16,32,64"));
    m_figure = new QComboBox(m_settings);
    m_figure->setAccessibleName(tr("Figure"));
    for (const FigureDefinition& figure : allFigures()) {
        m_figure->addItem(text(figure.title), text(figure.id));
        m_figure->setItemData(m_figure->count() - 1, text(figure.help), Qt::ToolTipRole);
    }
    m_figure->setCurrentIndex(m_figure->findData(QStringLiteral("rel")));
    const auto logButton = [this](const QString& words, const QString& tip) {
        auto* button = new QToolButton(m_settings);
        button->setCheckable(true);
        button->setText(words);
        button->setToolTip(tip);
        button->setAccessibleName(tip);
        setTextRole(button, TextRole::Small);
        connect(button, &QToolButton::toggled, this, &CurvesView::showState);
        return button;
    };
    m_logX = logButton(tr("log x"), tr("Logarithmic axis of the parameter"));
    m_logY = logButton(tr("log y"), tr("Logarithmic axis of the figure"));
    m_run = new QPushButton(tr("Run"), m_settings);
    m_run->setProperty("loupeSmall", true);
    setTextRole(m_run, TextRole::Small);
    row->addWidget(m_key);
    row->addWidget(m_range, 1);
    row->addWidget(m_figure);
    row->addWidget(m_logX);
    row->addWidget(m_logY);
    row->addWidget(m_run);
    connect(m_key, &QComboBox::currentIndexChanged, this, [this] {
        if (!m_filling) {
            setParameter(key());
        }
    });
    connect(m_range, &QLineEdit::textEdited, this, &CurvesView::settingsChanged);
    connect(m_range, &QLineEdit::returnPressed, this, [this] { run(true); });
    connect(m_figure, &QComboBox::currentIndexChanged, this, &CurvesView::showState);
    connect(m_figure, &QComboBox::activated, this, [this] { m_figureChosen = true; });
    for (QComboBox* box : {m_key, m_figure}) {
        box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
        box->setMinimumWidth(Theme::px(56));
    }
    m_range->setMinimumWidth(Theme::px(60));
    connect(m_run, &QPushButton::clicked, this, [this] {
        if (m_runs->running()) {
            m_runs->stop();
        } else {
            run(true);
        }
    });
}

void CurvesView::makeMethods() {
    m_methodRow = new QWidget(this);
    auto* row = new QHBoxLayout(m_methodRow);
    row->setContentsMargins(Theme::px(8), Theme::px(2), Theme::px(8), Theme::px(4));
    row->setSpacing(Theme::px(6));
    auto* scroll = new QScrollArea(m_methodRow);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setFocusPolicy(Qt::NoFocus);
    scroll->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_chips = new QWidget(scroll);
    m_chipLayout = new QHBoxLayout(m_chips);
    m_chipLayout->setContentsMargins(0, 0, 0, 0);
    m_chipLayout->setSpacing(Theme::px(4));
    scroll->setWidget(m_chips);
    m_add = new QToolButton(m_methodRow);
    m_add->setText(tr("Add method"));
    m_add->setPopupMode(QToolButton::InstantPopup);
    m_add->setToolTip(tr("Overlay another scheme"));
    setTextRole(m_add, TextRole::Small);
    m_addMenu = new QMenu(m_add);
    m_add->setMenu(m_addMenu);
    connect(m_addMenu, &QMenu::aboutToShow, this, &CurvesView::fillAddMenu);
    row->addWidget(scroll, 1);
    row->addWidget(m_add);
    scroll->setFixedHeight(Theme::px(30));
    scroll->setObjectName(QStringLiteral("chips"));
}

QString CurvesView::key() const {
    return m_key->currentData().toString();
}

void CurvesView::fillKeys() {
    const QString before = key();
    m_filling = true;
    m_key->clear();
    const std::optional<Scheme> first =
        m_methods.isEmpty() ? std::nullopt : parsed(m_methods.front());
    if (first) {
        for (const SweepKey& candidate : sweepKeys(*first)) {
            const QString label = text(candidate.spec->label);
            m_key->addItem(text(candidate.key), text(candidate.key));
            m_key->setItemData(m_key->count() - 1,
                               label + QStringLiteral(": ") + text(candidate.spec->help),
                               Qt::ToolTipRole);
        }
    }
    int at = m_key->findData(before);
    for (const char* usual : {"sparsity", "bits", "alpha"}) {
        at = at < 0 ? m_key->findData(QString::fromLatin1(usual)) : at;
    }
    m_key->setCurrentIndex(std::max(at, m_key->count() > 0 ? 0 : -1));
    m_filling = false;
    if (key() != before || m_range->text().isEmpty()) {
        setParameter(key());
    }
}

void CurvesView::setParameter(const QString& wanted, const QString& range) {
    m_filling = true;
    m_key->setCurrentIndex(m_key->findData(wanted));
    m_filling = false;
    QString values = range;
    const std::optional<Scheme> first =
        m_methods.isEmpty() ? std::nullopt : parsed(m_methods.front());
    if (values.isEmpty() && first) {
        for (const SweepKey& candidate : sweepKeys(*first)) {
            if (text(candidate.key) == wanted) {
                values = text(candidate.suggested);
            }
        }
    }
    m_range->setText(values);
    if (first) {
        const Result<SweepAxis> axis =
            parseSweepAxis(*first, (wanted + QLatin1Char('=') + values).toStdString());
        const QSignalBlocker block(m_logX);
        m_logX->setChecked(axis && axis->logarithmic);
    }
    fillChips();  // their names leave the parameter out
    settingsChanged();
}

void CurvesView::setFigure(const QString& id) {
    m_figure->setCurrentIndex(std::max(0, m_figure->findData(id)));
}

void CurvesView::setMethods(const QStringList& schemes) {
    m_methods.clear();
    for (const QString& scheme : schemes) {
        if (const std::optional<Scheme> method = parsed(scheme)) {
            const QString canonical = QString::fromStdString(toString(*method));
            if (!m_methods.contains(canonical) && m_methods.size() < kMostMethods) {
                m_methods << canonical;
            }
        }
    }
    fillChips();
    fillKeys();
    settingsChanged();
}

void CurvesView::addMethod(const QString& scheme) {
    setMethods(m_methods + QStringList{scheme});
}

void CurvesView::removeMethod(int index) {
    QStringList left = m_methods;
    left.removeAt(index);
    setMethods(left);
}

void CurvesView::fillChips() {
    while (QLayoutItem* item = m_chipLayout->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    for (int i = 0; i < m_methods.size(); ++i) {
        const std::optional<Scheme> method = parsed(m_methods.at(i));
        auto* chip = new QToolButton(m_chips);
        const QString name =
            method ? text(sweepTitle(*method, key().toStdString())) : m_methods.at(i);
        chip->setText(name + QStringLiteral("  ×"));
        chip->setIcon(markIcon(i));
        chip->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        chip->setToolTip(tr("%1 · click to remove").arg(m_methods.at(i)));
        chip->setAccessibleName(tr("Remove %1").arg(name));
        setTextRole(chip, TextRole::Small);
        connect(
            chip,
            &QToolButton::clicked,
            this,
            [this, i] { removeMethod(i); },
            Qt::QueuedConnection);
        m_chipLayout->addWidget(chip);
    }
    m_chipLayout->addStretch(1);
    m_add->setEnabled(m_methods.size() < kMostMethods);
}

void CurvesView::fillAddMenu() {
    m_addMenu->clear();
    const auto add = [this](QMenu* menu, const QString& label, const QString& scheme) {
        QAction* action = menu->addAction(label, this, [this, scheme] { addMethod(scheme); });
        action->setToolTip(scheme);
    };
    for (const Side side : {Side::A, Side::B}) {
        const QString scheme = document().scheme(side);
        if (!scheme.isEmpty() && !m_methods.contains(scheme)) {
            add(m_addMenu,
                (side == Side::A ? tr("Scheme A: %1") : tr("Scheme B: %1")).arg(scheme),
                scheme);
        }
    }
    m_addMenu->addSeparator();
    for (const StepDefinition* step : allSteps()) {
        QStringList schemes{text(step->id)};
        for (const std::string_view ladder : step->ladder) {
            schemes << text(ladder);
        }
        QMenu* menu = nullptr;
        QStringList seen = m_methods;
        for (const QString& scheme : schemes) {
            const std::optional<Scheme> method = parsed(scheme);
            const QString canonical =
                method ? QString::fromStdString(toString(*method)) : QString();
            if (!method || seen.contains(canonical) ||
                (!m_methods.isEmpty() && !knows(canonical, key()))) {
                continue;
            }
            seen << canonical;
            menu = menu != nullptr ? menu : m_addMenu->addMenu(text(step->title));
            add(menu, canonical, canonical);
        }
    }
}

bool CurvesView::mayTakeLong() const {
    const std::shared_ptr<const RowSource> weights = document().weights();
    if (weights == nullptr || weights->rows() * weights->cols() < kLargeLayer) {
        return false;
    }
    return std::any_of(m_methods.begin(), m_methods.end(), [](const QString& scheme) {
        const std::optional<Scheme> method = parsed(scheme);
        return method &&
               std::any_of(method->steps.begin(), method->steps.end(), [](const Step& step) {
                   const StepDefinition* definition = findStep(step.name);
                   return definition != nullptr && definition->isSolver;
               });
    });
}

std::optional<SweepRequest> CurvesView::request() {
    m_problem.clear();
    SweepRequest made;
    made.of = comparisonInput(document());
    if (m_methods.isEmpty()) {
        m_problem = tr("Add a method to begin.");
        return std::nullopt;
    }
    const std::string vary = (key() + QLatin1Char('=') + m_range->text().trimmed()).toStdString();
    for (const QString& scheme : m_methods) {
        const std::optional<Scheme> method = parsed(scheme);
        const Result<SweepAxis> axis = parseSweepAxis(*method, vary);
        if (!axis) {
            m_problem = text(axis.error().what);
            return std::nullopt;
        }
        if (made.schemes.empty()) {
            made.axis = *axis;
        }
        made.schemes.push_back(scheme.toStdString());
    }
    return made;
}

void CurvesView::settingsChanged() {
    if (isVisible()) {
        m_delay.start();
    }
}

void CurvesView::run(bool asked) {
    m_delay.stop();
    const std::optional<SweepRequest> wanted = request();
    if (!wanted || wanted->of.empty()) {
        m_runs->clear();
        return;
    }
    // Solvers may take minutes on a large layer: there they start when asked to.
    m_runs->want(*wanted, asked || !mayTakeLong());
}

void CurvesView::refresh(Changes what) {
    const bool any = document().weights() != nullptr;
    for (QWidget* widget : {static_cast<QWidget*>(m_plot), m_settings, m_methodRow}) {
        widget->setVisible(any);
    }
    m_readout->setVisible(any);
    m_empty->setVisible(!any);
    if (any && m_methods.isEmpty() && (what & Change::Source)) {
        QStringList first;
        for (const char* scheme : kFirstMethods) {
            const std::optional<Scheme> method = parsed(QString::fromLatin1(scheme));
            const StepDefinition* step = method ? findStep(method->steps.front().name) : nullptr;
            const bool runs =
                step != nullptr && (!step->needsActivations || hasActivations(document()));
            if (runs) {
                first << QString::fromLatin1(scheme);
            }
        }
        if (first.size() == 1) {
            first << QStringLiteral("random");  // the least that a score must beat
        }
        setMethods(first);
    }
    if (any && !m_figureChosen) {
        setFigure(hasActivations(document()) ? QStringLiteral("output") : QStringLiteral("rel"));
    }
    if (what & (Changes(Change::Source) | Change::Tensor | Change::Inputs)) {
        run(false);
    } else if (what & (Changes(Change::SchemeA) | Change::SchemeB | Change::Display)) {
        showState();
    }
}

std::optional<QString> CurvesView::nowOf(Side side) const {
    const std::optional<Scheme> scheme = parsed(document().scheme(side));
    if (!scheme) {
        return std::nullopt;
    }
    for (const SweepKey& candidate : sweepKeys(*scheme)) {
        if (text(candidate.key) == key() && !candidate.now.empty()) {
            return text(candidate.now);
        }
    }
    return std::nullopt;
}

void CurvesView::showState() {
    if (!isVisible()) {
        return;
    }
    const SweepState* state = m_runs->state();
    CurveData curves;
    curves.figure = findFigure(m_figure->currentData().toString().toStdString());
    curves.logX = m_logX->isChecked();
    curves.logY = m_logY->isChecked();
    curves.nowA = nowOf(Side::A);
    curves.nowB = nowOf(Side::B);
    std::size_t failed = 0;
    QString why;
    if (state != nullptr) {
        curves.axis = state->request.axis;
        curves.series = state->series;
        for (std::size_t i = 0; i < state->series.size(); ++i) {
            curves.categories.push_back(static_cast<int>(i));
            for (const SweepError& error : state->series[i].errors) {
                why = failed++ == 0 ? tr("%1 at %2: %3")
                                          .arg(text(state->series[i].title),
                                               text(error.value),
                                               text(error.what))
                                    : why;
            }
        }
    }
    m_logX->setEnabled(curves.axis.numeric);
    m_plot->setData(std::move(curves));
    if (!m_problem.isEmpty()) {
        m_message->showMessage(MessageBar::Role::Warning, m_problem);
    } else if (state != nullptr && state->error) {
        m_message->showError(*state->error);
    } else if (failed > 0) {
        m_message->showMessage(
            MessageBar::Role::Warning, tr("%1 points could not be computed.").arg(failed), why);
    } else {
        m_message->clear();
    }
    const bool running = m_runs->running();
    m_progress->setProgress(running ? std::optional(m_runs->fraction()) : std::nullopt);
    m_run->setText(running ? tr("Stop") : tr("Run"));
    m_run->setEnabled(running || (state != nullptr && !state->done) || !m_problem.isEmpty());
    showReadout();
}

void CurvesView::showReadout() {
    QString words = m_plot->readout();
    if (words.isEmpty()) {
        const SweepState* state = m_runs->state();
        words = state != nullptr && !state->done && !m_runs->running()
                    ? tr("Press Run: a solver may take a while.")
                    : tr("Point at a value, or use the arrow keys.");
    }
    setTextRole(m_readout, m_plot->chosen() ? TextRole::Number : TextRole::Small);
    m_readout->setText(words);
    m_readout->setToolTip(words);
}

QString CurvesView::copyText() const {
    QString out = QStringLiteral(
        "scheme\tkey\tvalue\tbits_per_weight\tsqnr_db\trelative_frobenius\t"
        "output_relative_error\tmse\tmax_abs_error\tzeros\tcount\tseconds\n");
    const SweepState* state = m_runs->state();
    if (state == nullptr) {
        return {};
    }
    const auto number = [](double value) { return text(shortest(value)); };
    for (const SweepSeries& series : state->series) {
        for (const SweepPoint& point : series.points) {
            const Figures& f = point.figures;
            const QStringList cells{
                text(point.scheme),
                text(state->request.axis.key),
                text(point.value),
                number(f.bitsPerWeight),
                number(f.metrics.sqnrDb),
                number(f.metrics.relativeFrobenius),
                f.metrics.outputRelativeError ? number(*f.metrics.outputRelativeError) : QString(),
                number(f.metrics.mse),
                number(f.metrics.maxAbsError),
                QString::number(f.zeros),
                QString::number(f.count),
                number(f.seconds)};
            out += cells.join(QLatin1Char('\t')) + QLatin1Char('\n');
        }
    }
    return out;
}

void CurvesView::paintExport(QPainter& painter, const QRectF& target) {
    m_plot->paintTo(painter, target);
}

QJsonObject CurvesView::save() const {
    return {{QStringLiteral("methods"), QJsonArray::fromStringList(m_methods)},
            {QStringLiteral("key"), key()},
            {QStringLiteral("range"), m_range->text()},
            {QStringLiteral("figure"), m_figure->currentData().toString()},
            {QStringLiteral("logX"), m_logX->isChecked()},
            {QStringLiteral("logY"), m_logY->isChecked()}};
}

void CurvesView::restore(const QJsonObject& state) {
    QStringList methods;
    for (const QJsonValue& method : state[QStringLiteral("methods")].toArray()) {
        methods << method.toString();
    }
    setMethods(methods);
    const QString wanted = state[QStringLiteral("key")].toString();
    if (m_key->findData(wanted) >= 0) {
        setParameter(wanted, state[QStringLiteral("range")].toString());
    }
    m_figureChosen = state.contains(QStringLiteral("figure"));
    setFigure(state[QStringLiteral("figure")].toString(QStringLiteral("rel")));
    m_logX->setChecked(state[QStringLiteral("logX")].toBool(m_logX->isChecked()));
    m_logY->setChecked(state[QStringLiteral("logY")].toBool());
}

void CurvesView::showEvent(QShowEvent* event) {
    View::showEvent(event);
    run(false);
    showState();
}

void CurvesView::changeEvent(QEvent* event) {
    View::changeEvent(event);
    if (event->type() == QEvent::StyleChange && m_chips != nullptr) {
        findChild<QScrollArea*>(QStringLiteral("chips"))->setFixedHeight(Theme::px(30));
        fillChips();
    }
}

extern const ViewDefinition kView_curves;
const ViewDefinition kView_curves{
    "curves",
    QT_TRANSLATE_NOOP("View", "Curves"),
    Area::Centre,
    [](Document& document, QWidget* parent) -> View* { return new CurvesView(document, parent); }};

}  // namespace loupe::app
