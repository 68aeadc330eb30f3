// SPDX-License-Identifier: GPL-3.0-or-later
// Timing runs of quantized matrix products and of attention: form, queue, roofline, cases, record.
#include "app/jobs/job_manager.hpp"
#include "app/plot/export.hpp"
#include "app/plot/plot_style.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/cases_view.hpp"
#include "app/workspaces/timing/record_panel.hpp"
#include "app/workspaces/timing/roofline.hpp"
#include "app/workspaces/timing/run_form.hpp"
#include "app/workspaces/timing/run_list.hpp"
#include "app/workspaces/timing/source_view.hpp"
#include "app/workspaces/timing/timing_bar.hpp"
#include "app/workspaces/timing/timing_model.hpp"
#include "app/workspaces/workspace.hpp"

#include <QAction>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QSaveFile>
#include <QScrollArea>
#include <QSplitter>
#include <QTabWidget>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kWidthM = 1500;
constexpr int kWidthL = 2300;

class TimingPage : public WorkspacePage {
    Q_OBJECT

public:
    TimingPage(Document& document, QWidget* parent);
    ~TimingPage() override;

    [[nodiscard]] QWidget* contextBar() override { return m_bar; }
    [[nodiscard]] bool busy() const override { return m_model->busy(); }
    void resetLayout() override;
    void refresh(Changes) override {}
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return !m_model->cases().rows.empty(); }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] QSizeF exportSize() const override;

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    enum class Size { S, M, L };
    void buildCentre();
    void buildActions();
    void connectModel();
    void connectQueue();
    void arrange();
    void applySizes();
    [[nodiscard]] Size pageSize() const;
    void say(MessageBar::Role role,
             const QString& what,
             const QString& why,
             const std::vector<QAction*>& actions = {});
    void runNow();
    void removeRuns(const QStringList& runs);
    void undoRemove();
    void importRecords();
    void takeImport(const Result<ReadRecords>& read);
    void exportRecords(const QString& kind);
    void showReadout();

    TimingModel* m_model = nullptr;
    TimingBar* m_bar = nullptr;
    QSplitter* m_columns = nullptr;
    QSplitter* m_left = nullptr;
    RunForm* m_form = nullptr;
    RunList* m_list = nullptr;
    QWidget* m_centre = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    QSplitter* m_middle = nullptr;
    QWidget* m_rooflineBox = nullptr;
    Roofline* m_roofline = nullptr;
    QTabWidget* m_bottom = nullptr;
    QWidget* m_casesTitle = nullptr;
    QScrollArea* m_casesScroll = nullptr;
    CasesView* m_cases = nullptr;
    QTabWidget* m_right = nullptr;
    RecordPanel* m_record = nullptr;
    SourceView* m_source = nullptr;
    QAction *m_wait = nullptr, *m_cancel = nullptr, *m_again = nullptr, *m_accept = nullptr,
            *m_undo = nullptr, *m_close = nullptr, *m_useCpu = nullptr, *m_useCount = nullptr;
    QString m_messageRun;  ///< that the message is about
    std::vector<StoredRun> m_removed;
    bool m_arranged = false;
    bool m_moved = false;
    Size m_size = Size::M;
};

/// Title, and what the panel shows in small type behind it.
QWidget* heading(const QString& title, const QString& words, QWidget* parent) {
    auto* made = new QWidget(parent);
    auto* row = new QHBoxLayout(made);
    row->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), 0);
    row->setSpacing(Theme::px(8));
    auto* name = new QLabel(title, made);
    setTextRole(name, TextRole::Heading);
    auto* rest = new ElidedLabel(made, Qt::ElideRight);
    rest->setText(words);
    setTextRole(rest, TextRole::Small);
    setTone(rest, Tone::Tertiary);
    rest->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    row->addWidget(name);
    row->addWidget(rest, 1);
    return made;
}

TimingPage::TimingPage(Document& document, QWidget* parent) : WorkspacePage(document, parent) {
    setWindowTitle(tr("Timing"));
    m_model = new TimingModel(document, this);
    m_bar = new TimingBar(*m_model);
    m_columns = new QSplitter(Qt::Horizontal, this);
    m_columns->setChildrenCollapsible(false);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_columns);
    m_left = new QSplitter(Qt::Vertical, m_columns);
    m_left->setChildrenCollapsible(false);
    m_form = new RunForm(*m_model, m_left);
    m_list = new RunList(*m_model, m_left);
    m_left->setStretchFactor(0, 1);
    buildCentre();
    m_right = new QTabWidget(m_columns);
    m_right->setDocumentMode(true);
    m_right->setAccessibleName(tr("Selected case and its source"));
    m_record = new RecordPanel(*m_model, m_right);
    m_source = new SourceView(*m_model, m_right);
    m_right->addTab(m_record, tr("This case"));
    m_right->addTab(m_source, tr("Source"));
    m_columns->setStretchFactor(1, 1);
    buildActions();
    connectModel();
    connectQueue();
    connect(m_columns, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    connect(m_middle, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    setTabOrder(m_form->runButton(), m_roofline);
    setTabOrder(m_roofline, m_cases);
    setTabOrder(m_cases, m_list->list());
}

TimingPage::~TimingPage() {
    disconnect(m_model, nullptr, this, nullptr);
    disconnect(&m_model->queue(), nullptr, this, nullptr);
}

void TimingPage::buildCentre() {
    m_centre = new QWidget(m_columns);
    m_centre->setAutoFillBackground(true);
    m_centre->setBackgroundRole(QPalette::Base);
    m_centre->setMinimumWidth(Theme::px(320));
    auto* column = new QVBoxLayout(m_centre);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    m_progress = new ProgressLine(m_centre);
    m_message = new MessageBar(m_centre);
    column->addWidget(m_progress);
    column->addWidget(m_message);
    m_middle = new QSplitter(Qt::Vertical, m_centre);
    m_middle->setChildrenCollapsible(false);
    m_rooflineBox = new QWidget(m_middle);
    auto* top = new QVBoxLayout(m_rooflineBox);
    top->setContentsMargins(0, 0, 0, 0);
    top->setSpacing(0);
    top->addWidget(
        heading(tr("Roofline"),
                tr("a point on the roof is as fast as the memory or the arithmetic allows"),
                m_rooflineBox));
    m_roofline = new Roofline(*m_model, m_rooflineBox);
    top->addWidget(m_roofline, 1);
    m_bottom = new QTabWidget(m_middle);
    m_bottom->setDocumentMode(true);
    m_bottom->setAccessibleName(tr("Cases"));
    m_bottom->setTabBarAutoHide(true);
    m_bottom->setMinimumHeight(Theme::px(110));  // its pages scroll
    auto* box = new QWidget(m_bottom);
    auto* bottom = new QVBoxLayout(box);
    bottom->setContentsMargins(0, 0, 0, 0);
    bottom->setSpacing(Theme::px(4));
    m_casesTitle =
        heading(tr("Cases"), tr("each kind of number has its own mark and its own axis"), box);
    bottom->addWidget(m_casesTitle);
    m_casesScroll = new QScrollArea(box);
    m_casesScroll->setFrameShape(QFrame::NoFrame);
    m_casesScroll->setWidgetResizable(true);
    m_casesScroll->setFocusPolicy(Qt::NoFocus);
    m_casesScroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_cases = new CasesView(*m_model, m_casesScroll);
    m_casesScroll->setWidget(m_cases);
    bottom->addWidget(m_casesScroll, 1);
    m_bottom->addTab(box, tr("Cases"));
    m_middle->setStretchFactor(0, 1);
    m_middle->setStretchFactor(1, 1);
    column->addWidget(m_middle, 1);
}

void TimingPage::buildActions() {
    const auto make = [this](const QString& text, auto slot) {
        auto* action = new QAction(text, this);
        connect(action, &QAction::triggered, this, slot);
        return action;
    };
    m_close = make(tr("Close"), [this] { m_message->clear(); });
    m_wait = make(tr("Wait"), [this] { m_message->clear(); });
    m_cancel = make(tr("Cancel the run"), [this] {
        m_message->clear();
        m_model->queue().cancel(m_messageRun);
    });
    m_again = make(tr("Run again"), [this] {
        m_message->clear();
        m_model->queue().repeat(m_messageRun);
    });
    m_accept = make(tr("Compare anyway"), [this] {
        m_message->clear();
        m_model->acceptMix();
    });
    m_undo = make(tr("Undo"), [this] { undoRemove(); });
    const auto use = [this](const char* backend) {
        m_message->clear();
        gpu::TimingRequest request = m_model->request();
        request.backend = backend;
        m_model->setRequest(request);
    };
    m_useCpu = make(tr("Use the CPU"), [use] { use("cpu"); });
    m_useCount = make(tr("Count instead"), [use] { use("simt"); });
}

void TimingPage::connectModel() {
    connect(m_form, &RunForm::runRequested, this, &TimingPage::runNow);
    connect(m_form, &RunForm::explained, this, [this](const QString& what, const QString& why) {
        std::vector<QAction*> actions;
        for (const BackendChoice& choice : m_model->backends()) {
            if (choice.unavailable.isEmpty() &&
                choice.id.toStdString() != m_model->request().backend) {
                if (choice.id == QLatin1String("cpu")) {
                    actions.push_back(m_useCpu);
                } else if (choice.id == QLatin1String("simt")) {
                    actions.push_back(m_useCount);
                }
            }
        }
        actions.push_back(m_close);
        say(MessageBar::Role::Neutral, what, why, actions);
    });
    connect(m_model, &TimingModel::mixRefused, this, [this](const QStringList& machines) {
        say(MessageBar::Role::Warning,
            tr("These runs are of %1 machines.").arg(machines.size()),
            tr("Their times say as much about the machines as about the kernels: %1.")
                .arg(machines.join(QStringLiteral("; "))),
            {m_accept, m_close});
    });
    connect(m_model, &TimingModel::failed, this, [this](const Error& error) {
        m_message->showError(error);
        m_message->setActions({m_close});
    });
    connect(m_model, &TimingModel::selectionChanged, this, &TimingPage::showReadout);
    connect(m_cases, &CasesView::hovered, this, [this](const QString& html) {
        if (html.isEmpty()) {
            showReadout();
        } else {
            setReadout(html);
        }
    });
    connect(m_cases, &CasesView::rowShown, this, [this](const QRectF& rect) {
        m_casesScroll->ensureVisible(
            0, static_cast<int>(rect.center().y()), 0, static_cast<int>(rect.height()));
    });
    const auto details = [this] {
        QTabWidget* tabs = m_size == Size::S ? m_bottom : m_right;
        tabs->setCurrentWidget(m_record);
    };
    connect(m_cases, &CasesView::activated, this, details);
    connect(m_roofline, &Roofline::activated, this, details);
    connect(m_list, &RunList::deleteRequested, this, &TimingPage::removeRuns);
    connect(m_list, &RunList::importRequested, this, &TimingPage::importRecords);
    connect(m_list, &RunList::exportRequested, this, &TimingPage::exportRecords);
    connect(m_bar, &TimingBar::exportRequested, this, &TimingPage::exportRecords);
}

void TimingPage::connectQueue() {
    RunQueue& queue = m_model->queue();
    connect(&queue, &RunQueue::silent, this, [this](const QString& run, int seconds) {
        m_messageRun = run;
        say(MessageBar::Role::Warning,
            tr("The run has said nothing for %1 s.").arg(seconds),
            tr("A large case may need that long; a driver that hangs does too."),
            {m_cancel, m_wait});
    });
    connect(&queue, &RunQueue::spoke, this, [this](const QString& run) {
        if (m_messageRun == run) {
            m_message->clear();
        }
    });
    connect(&queue, &RunQueue::changed, this, [this] {
        const QueuedRun* run = m_model->queue().current();
        m_progress->setProgress(run != nullptr ? std::optional(run->fraction) : std::nullopt);
    });
    connect(&queue, &RunQueue::runEnded, this, [this](const QString& id) {
        const QueuedRun* run = m_model->queue().find(id);
        if (run == nullptr) {
            return;
        }
        m_messageRun = id;
        if (run->state == QueuedRun::State::Failed) {
            say(MessageBar::Role::Error,
                run->problem.section(QLatin1Char('\n'), 0, 0),
                run->problem.section(QLatin1Char('\n'), 1),
                {m_again, m_close});
        } else if (run->malformed > 0) {
            say(MessageBar::Role::Warning,
                tr("%1 lines of the run were no records, and are left out.").arg(run->malformed),
                run->problem,
                {m_again, m_close});
        }
    });
}

void TimingPage::say(MessageBar::Role role,
                     const QString& what,
                     const QString& why,
                     const std::vector<QAction*>& actions) {
    m_message->showMessage(role, what, why);
    m_message->setActions(actions);
}

void TimingPage::runNow() {
    m_message->clear();
    m_model->run();
}

void TimingPage::removeRuns(const QStringList& runs) {
    std::vector<StoredRun> removed;
    int records = 0;
    for (const QString& id : runs) {
        if (const StoredRun* run = m_model->store().find(id)) {
            removed.push_back(*run);
            records += static_cast<int>(run->records.size());
        }
    }
    if (const Result<void> done = m_model->store().remove(runs); !done) {
        m_message->showError(done.error());
        m_message->setActions({m_close});
        return;
    }
    m_removed = std::move(removed);
    if (m_model->shown().isEmpty() && !m_model->store().runs().empty()) {
        m_model->show({m_model->store().runs().front().id});
    }
    say(MessageBar::Role::Neutral, tr("%1 records deleted.").arg(records), {}, {m_undo, m_close});
}

void TimingPage::undoRemove() {
    m_message->clear();
    QStringList runs;
    for (auto run = m_removed.rbegin(); run != m_removed.rend(); ++run) {
        runs.prepend(run->id);
        for (const RecordPtr& record : run->records) {
            const Result<void> kept = m_model->store().append(
                run->id, *record, run->request.value_or(gpu::TimingRequest()));
            if (!kept) {
                m_message->showError(kept.error());
                m_message->setActions({m_close});
            }
        }
    }
    m_removed.clear();
    m_model->show(runs);
}

void TimingPage::importRecords() {
    const QString path = QFileDialog::getOpenFileName(
        this, tr("Import records"), {}, tr("Records, one a line (*.jsonl *.json);;All files (*)"));
    if (path.isEmpty()) {
        return;
    }
    document().jobs().start(
        QStringLiteral("timing:import"),
        tr("Reading %1").arg(QFileInfo(path).fileName()),
        [path](const JobContext&) { return RecordStore::readImport(path); },
        this,
        [this](const Result<ReadRecords>& read) { takeImport(read); });
}

void TimingPage::takeImport(const Result<ReadRecords>& read) {
    const Result<RecordStore::Imported> imported = read.and_then(
        [this](const ReadRecords& records) { return m_model->store().import(records); });
    if (!imported) {
        m_message->showError(imported.error());
        m_message->setActions({m_close});
        return;
    }
    QString why;
    if (imported->known > 0) {
        why += tr("%1 were here already. ").arg(imported->known);
    }
    if (imported->unreadable > 0) {
        why += tr("%1 lines are no records (%2).")
                   .arg(imported->unreadable)
                   .arg(imported->firstProblem);
    }
    say(imported->unreadable > 0 ? MessageBar::Role::Warning : MessageBar::Role::Neutral,
        tr("%1 records imported.").arg(imported->added),
        why,
        {m_close});
    if (!imported->runs.isEmpty()) {
        m_model->show({imported->runs.front()});
    }
}

void TimingPage::exportRecords(const QString& kind) {
    if (kind == QLatin1String("figure")) {
        ExportDialog(*this, this).exec();
        return;
    }
    const bool csv = kind == QLatin1String("csv");
    const QString path = QFileDialog::getSaveFileName(
        this,
        csv ? tr("Export as CSV") : tr("Export records"),
        csv ? QStringLiteral("timing.csv") : QStringLiteral("timing.jsonl"),
        csv ? tr("CSV (*.csv)") : tr("Records, one a line (*.jsonl)"));
    if (path.isEmpty()) {
        return;
    }
    const std::vector<RecordPtr> records = m_model->records();
    QSaveFile file(path);
    const QByteArray text =
        (csv ? csvFromTsv(recordsTsv(records)) : recordsJsonl(records)).toUtf8();
    if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size() || !file.commit()) {
        say(MessageBar::Role::Error,
            tr("The records could not be written."),
            QStringLiteral("%1: %2").arg(path, file.errorString()),
            {m_close});
    }
}

void TimingPage::showReadout() {
    setReadout(m_cases->sentence(m_model->selected()).toHtmlEscaped());
}

TimingPage::Size TimingPage::pageSize() const {
    const double wide = width() / Theme::fontScale();
    return wide < kWidthM ? Size::S : wide < kWidthL ? Size::M : Size::L;
}

void TimingPage::resetLayout() {
    m_arranged = false;
    arrange();
    applySizes();
}

/// Small windows: the selected case and its source are tabs beside the cases. Large ones: roofline
/// and cases side by side.
void TimingPage::arrange() {
    const Size size = pageSize();
    if (m_arranged && size == m_size) {
        return;
    }
    m_size = size;
    m_arranged = true;
    m_moved = false;
    QTabWidget* home = size == Size::S ? m_bottom : m_right;
    if (home->indexOf(m_record) < 0) {
        home->addTab(m_record, tr("This case"));
        home->addTab(m_source, tr("Source"));
        home->setCurrentIndex(0);
    }
    m_right->setVisible(size != Size::S);
    m_casesTitle->setVisible(size != Size::S);  // the tab says it
    m_middle->setOrientation(size == Size::L ? Qt::Horizontal : Qt::Vertical);
}

void TimingPage::applySizes() {
    if (m_moved) {
        return;
    }
    const bool small = m_size == Size::S;
    const int left = Theme::px(small ? 240 : 280);
    const int right = small ? 0 : std::min(Theme::px(m_size == Size::M ? 440 : 600), width() / 3);
    m_columns->setSizes({left, std::max(1, width() - left - right), right});
    const int form = height() * (small ? 78 : 72) / 100;
    m_left->setSizes({form, height() - form});
    if (m_size == Size::L) {
        m_middle->setSizes({1000, 1000});
    } else {
        const int top = small ? std::min(Theme::px(260), height() * 45 / 100) : height() * 55 / 100;
        m_middle->setSizes({top, std::max(1, height() - top)});
    }
}

void TimingPage::resizeEvent(QResizeEvent* event) {
    WorkspacePage::resizeEvent(event);
    arrange();
    applySizes();
}

QString TimingPage::copyText() const {
    if (m_record->isAncestorOf(focusWidget())) {
        return m_record->copyText();
    }
    const std::vector<RecordPtr> records = m_model->records();
    return records.empty() ? QString() : recordsTsv(records);
}

QSizeF TimingPage::exportSize() const {
    const double wide = std::max(900, m_middle->width());
    return {wide,
            std::max(360.0, double(m_roofline->height())) + Theme::px(16) + m_cases->fullHeight()};
}

void TimingPage::paintExport(QPainter& painter, const QRectF& target) {
    const double cases = std::min(m_cases->fullHeight(), target.height() * 0.6);
    m_roofline->paintTo(
        painter,
        QRectF(
            target.left(), target.top(), target.width(), target.height() - cases - Theme::px(16)));
    m_cases->paintTo(painter,
                     QRectF(target.left(), target.bottom() - cases, target.width(), cases));
}

QJsonObject TimingPage::save() const {
    QJsonObject state = m_model->save();
    state[QStringLiteral("columns")] = QString::fromLatin1(m_columns->saveState().toBase64());
    state[QStringLiteral("middle")] = QString::fromLatin1(m_middle->saveState().toBase64());
    state[QStringLiteral("size")] = static_cast<int>(m_size);
    state[QStringLiteral("advanced")] = m_form->advancedShown();
    return state;
}

void TimingPage::restore(const QJsonObject& state) {
    m_model->restore(state);
    m_form->setAdvancedShown(state[QStringLiteral("advanced")].toBool());
    const auto bytes = [&](const char* key) {
        return QByteArray::fromBase64(state[QLatin1String(key)].toString().toLatin1());
    };
    if (!bytes("columns").isEmpty() && m_arranged &&
        state[QStringLiteral("size")].toInt() == static_cast<int>(m_size)) {
        m_columns->restoreState(bytes("columns"));
        m_middle->restoreState(bytes("middle"));
        m_moved = true;
    }
}

}  // namespace

extern const WorkspaceDefinition kWorkspace_timing;
const WorkspaceDefinition kWorkspace_timing{
    "timing",
    QT_TRANSLATE_NOOP("Workspace", "Timing"),
    [](Document& document, QWidget* parent) -> WorkspacePage* {
        return new TimingPage(document, parent);
    }};

}  // namespace loupe::app

#include "timing.moc"
