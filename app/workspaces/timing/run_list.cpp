// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/run_list.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/timing_model.hpp"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QListWidget>
#include <QMenu>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QToolButton>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

constexpr int kRunRole = Qt::UserRole;
constexpr int kDetailRole = Qt::UserRole + 1;
constexpr int kWhenRole = Qt::UserRole + 2;

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

QToolButton* iconButton(const QString& icon, const QString& name, QWidget* parent) {
    auto* made = new QToolButton(parent);
    made->setAutoRaise(true);
    made->setIcon(themedIcon(icon));
    made->setToolTip(name);
    made->setAccessibleName(name);
    return made;
}

/// Date and title in one line, machine and formats under it.
class RunDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter* painter,
               const QStyleOptionViewItem& option,
               const QModelIndex& index) const override {
        const Theme& theme = Theme::current();
        const bool selected = option.state.testFlag(QStyle::State_Selected);
        if (selected) {
            painter->fillRect(option.rect, theme.selected);
            painter->fillRect(QRect(option.rect.topLeft(), QSize(3, option.rect.height())),
                              theme.text);
        } else if (option.state.testFlag(QStyle::State_MouseOver)) {
            painter->fillRect(option.rect, theme.raised);
        }
        const QRectF inner =
            QRectF(option.rect).adjusted(Theme::px(12), Theme::px(3), -Theme::px(8), -Theme::px(3));
        const double line = inner.height() / 2;
        const QString when = index.data(kWhenRole).toString();
        const double date = textWidth(when, TextRole::Caption) + Theme::px(8);
        const QFontMetricsF small(Theme::font(TextRole::Small));
        drawTextLine(
            *painter,
            QRectF(inner.left(), inner.top(), inner.width() - date, line),
            Qt::AlignLeft,
            small.elidedText(index.data().toString(), Qt::ElideMiddle, inner.width() - date),
            TextRole::Small,
            theme.text);
        drawTextLine(*painter,
                     QRectF(inner.left(), inner.top(), inner.width(), line),
                     Qt::AlignRight,
                     when,
                     TextRole::Caption,
                     selected ? theme.text2 : theme.text3);
        drawTextLine(
            *painter,
            QRectF(inner.left(), inner.top() + line, inner.width(), line),
            Qt::AlignLeft,
            QFontMetricsF(Theme::font(TextRole::Caption))
                .elidedText(index.data(kDetailRole).toString(), Qt::ElideRight, inner.width()),
            TextRole::Caption,
            selected ? theme.text2 : theme.text3);
        if (option.state.testFlag(QStyle::State_HasFocus)) {
            drawFocusRing(*painter, QRectF(option.rect));
        }
    }
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override {
        return {Theme::px(100),
                static_cast<int>(lineHeight(TextRole::Small) + lineHeight(TextRole::Caption)) +
                    Theme::px(8)};
    }
};

QString runTitle(const StoredRun& run) {
    const gpu::CaseRecord& what = run.records.front()->what;
    return operationText(what.operation) + QLatin1Char(' ') + shapeText(what);
}

QString runDetail(const StoredRun& run) {
    QStringList formats;
    for (const RecordPtr& record : run.records) {
        const QString format = toQ(record->what.format);
        if (!formats.contains(format)) {
            formats << format;
        }
    }
    const gpu::RunRecord& first = *run.records.front();
    const QString kind = run.records.front()->counts && !run.records.front()->timing
                             ? kindText(gpu::FigureKind::Counted) + QStringLiteral(" · ")
                             : QString();
    return kind + formats.join(QStringLiteral(", ")) + QStringLiteral(" · ") +
           toQ(first.device.name);
}

}  // namespace

QueueRow::QueueRow(TimingModel& model, QString run, QWidget* parent)
    : QWidget(parent), m_model(model), m_run(std::move(run)) {
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(Theme::px(12), Theme::px(2), Theme::px(8), Theme::px(4));
    column->setSpacing(Theme::px(2));
    auto* row = new QHBoxLayout;
    row->setSpacing(Theme::px(4));
    m_title = new ElidedLabel(this, Qt::ElideRight);
    setTextRole(m_title, TextRole::Small);
    m_title->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_repeat = iconButton(QStringLiteral("refresh"), tr("Run again"), this);
    m_cancel = iconButton(QStringLiteral("close"), tr("Cancel"), this);
    row->addWidget(m_title, 1);
    row->addWidget(m_repeat);
    row->addWidget(m_cancel);
    column->addLayout(row);
    m_line = new ProgressLine(this);
    column->addWidget(m_line);
    m_state = new QLabel(this);
    m_state->setWordWrap(true);
    setTextRole(m_state, TextRole::Caption);
    setTone(m_state, Tone::Tertiary);
    column->addWidget(m_state);
    connect(m_repeat, &QToolButton::clicked, this, [this] { m_model.queue().repeat(m_run); });
    connect(m_cancel, &QToolButton::clicked, this, [this] {
        const QueuedRun* each = m_model.queue().find(m_run);
        if (each != nullptr && each->active()) {
            m_model.queue().cancel(m_run);
        } else {
            m_model.queue().dismiss(m_run);
        }
    });
    refresh();
}

QString QueueRow::stateText() const {
    return m_state->text();
}

void QueueRow::refresh() {
    const QueuedRun* each = m_model.queue().find(m_run);
    if (each == nullptr) {
        return;
    }
    m_title->setText(requestTitle(each->request));
    m_title->setToolTip(m_title->text());
    QString text;
    switch (each->state) {
        case QueuedRun::State::Waiting:
            text = tr("waits");
            break;
        case QueuedRun::State::Running:
            text = each->doing.isEmpty() ? tr("starts") : each->doing;
            break;
        case QueuedRun::State::Cancelling:
            text = tr("is being ended");
            break;
        case QueuedRun::State::Finished:
            text = tr("done");
            break;
        case QueuedRun::State::Cancelled:
            text = tr("cancelled");
            break;
        case QueuedRun::State::Failed:
            text = tr("failed: %1").arg(each->problem.section(QLatin1Char('\n'), 0, 0));
            break;
    }
    if (each->records > 0) {
        text += tr(" · %1 records").arg(each->records);
    }
    if (each->refused > 0) {
        text += tr(", %1 not run").arg(each->refused);
    }
    m_state->setText(text);
    m_state->setToolTip(each->problem);
    const bool running =
        each->state == QueuedRun::State::Running || each->state == QueuedRun::State::Cancelling;
    m_line->setVisible(running);
    m_line->setProgress(running ? std::optional(each->fraction) : std::nullopt);
    m_repeat->setVisible(!each->active());
    m_cancel->setToolTip(each->active() ? tr("Cancel this run") : tr("Take it off the list"));
    m_cancel->setAccessibleName(m_cancel->toolTip());
}

RunList::RunList(TimingModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, Theme::px(4), 0, 0);
    column->setSpacing(Theme::px(2));
    m_queueTitle = new QLabel(tr("Queue"), this);
    setTextRole(m_queueTitle, TextRole::Heading);
    m_queueTitle->setContentsMargins(Theme::px(12), Theme::px(4), Theme::px(12), Theme::px(2));
    column->addWidget(m_queueTitle);
    m_queue = new QVBoxLayout;
    m_queue->setSpacing(0);
    column->addLayout(m_queue);
    auto* head = new QHBoxLayout;
    head->setContentsMargins(Theme::px(12), 0, Theme::px(4), 0);
    head->setSpacing(Theme::px(2));
    m_title = new QLabel(tr("Records"), this);
    setTextRole(m_title, TextRole::Heading);
    m_count = new QLabel(this);
    setTextRole(m_count, TextRole::Small);
    setTone(m_count, Tone::Tertiary);
    head->addWidget(m_title);
    head->addSpacing(Theme::px(4));
    head->addWidget(m_count, 1);
    auto* more = iconButton(QStringLiteral("more"), tr("Import, export, delete"), this);
    more->setObjectName(QStringLiteral("recordsMenu"));
    head->addWidget(more);
    column->addLayout(head);
    connect(more, &QToolButton::clicked, this, [this, more] {
        openMenu(more->mapToGlobal(QPoint(0, more->height())));
    });
    m_list = new QListWidget(this);
    m_list->setObjectName(QStringLiteral("records"));
    m_list->setAccessibleName(tr("Kept runs"));
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->viewport()->setAutoFillBackground(false);
    m_list->setItemDelegate(new RunDelegate(m_list));
    m_list->setMouseTracking(true);
    m_list->setContextMenuPolicy(Qt::CustomContextMenu);
    m_list->installEventFilter(this);
    column->addWidget(m_list, 1);
    m_nothing = new QLabel(tr("Nothing kept yet. Every run is, with its machine and date."), this);
    m_nothing->setWordWrap(true);
    m_nothing->setContentsMargins(Theme::px(12), Theme::px(2), Theme::px(12), Theme::px(6));
    m_nothing->setAlignment(Qt::AlignTop);
    setTextRole(m_nothing, TextRole::Small);
    setTone(m_nothing, Tone::Tertiary);
    column->addWidget(m_nothing, 1);
    connect(m_list, &QListWidget::itemSelectionChanged, this, &RunList::showSelected);
    connect(m_list, &QListWidget::customContextMenuRequested, this, [this](const QPoint& at) {
        openMenu(m_list->viewport()->mapToGlobal(at));
    });
    connect(&model.queue(), &RunQueue::changed, this, &RunList::refreshQueue);
    connect(&model, &TimingModel::shownChanged, this, &RunList::refreshRecords);
    refreshQueue();
    refreshRecords();
}

std::vector<QueueRow*> RunList::queueRows() const {
    std::vector<QueueRow*> rows;
    for (int i = 0; i < m_queue->count(); ++i) {
        if (auto* row = qobject_cast<QueueRow*>(m_queue->itemAt(i)->widget())) {
            rows.push_back(row);
        }
    }
    return rows;
}

void RunList::refreshQueue() {
    const std::vector<QueuedRun>& runs = m_model.queue().runs();
    QStringList alive;
    // What is over and went well is a record now; what failed stays until it is dismissed.
    const auto listed = [](const QueuedRun& run) {
        return run.active() || run.state == QueuedRun::State::Failed ||
               (run.state == QueuedRun::State::Cancelled && run.records == 0);
    };
    for (const QueuedRun& run : runs) {
        if (listed(run)) {
            alive << run.id;
            if (!m_rows.contains(run.id)) {
                auto* row = new QueueRow(m_model, run.id, this);
                m_queue->addWidget(row);
                m_rows.insert(run.id, row);
            }
            m_rows[run.id]->refresh();
        }
    }
    for (const QString& id : m_rows.keys()) {
        if (!alive.contains(id)) {
            QueueRow* gone = m_rows.take(id);
            m_queue->removeWidget(gone);
            gone->hide();
            gone->deleteLater();
        }
    }
    m_queueTitle->setVisible(!alive.isEmpty());
}

void RunList::refreshRecords() {
    m_updating = true;
    const std::vector<StoredRun>& runs = m_model.store().runs();
    bool same = m_list->count() == static_cast<int>(runs.size());
    for (int i = 0; same && i < m_list->count(); ++i) {
        same = m_list->item(i)->data(kRunRole).toString() == runs[static_cast<std::size_t>(i)].id;
    }
    if (!same) {
        m_list->clear();
        for (const StoredRun& run : runs) {
            auto* item = new QListWidgetItem(m_list);
            item->setData(kRunRole, run.id);
        }
    }
    for (int i = 0; i < m_list->count(); ++i) {
        const StoredRun& run = runs[static_cast<std::size_t>(i)];
        if (run.records.empty()) {
            continue;
        }
        QListWidgetItem* item = m_list->item(i);
        item->setText(runTitle(run));
        item->setData(kDetailRole, runDetail(run));
        item->setData(kWhenRole, whenText(run.records.front()->environment.utc));
        item->setToolTip(
            QStringLiteral("%1\n%2\n%3")
                .arg(runTitle(run), runDetail(run), machineText(*run.records.front())));
        item->setData(Qt::AccessibleTextRole,
                      QStringLiteral("%1, %2, %3")
                          .arg(runTitle(run), item->data(kWhenRole).toString(), runDetail(run)));
        item->setSelected(m_model.shown().contains(run.id));
    }
    m_count->setText(runs.empty() ? QString() : tr("%1 kept").arg(m_model.store().recordCount()));
    m_list->setVisible(!runs.empty());
    m_nothing->setVisible(runs.empty());
    m_updating = false;
}

QStringList RunList::selectedRuns() const {
    QStringList runs;
    for (int i = 0; i < m_list->count(); ++i) {
        if (m_list->item(i)->isSelected()) {
            runs << m_list->item(i)->data(kRunRole).toString();
        }
    }
    return runs;
}

void RunList::showSelected() {
    if (m_updating) {
        return;
    }
    const QStringList runs = selectedRuns();
    if (!runs.isEmpty() && runs != m_model.shown()) {
        m_model.show(runs);
    }
}

void RunList::openMenu(const QPoint& position) {
    const QStringList runs = selectedRuns();
    QMenu menu(this);
    QAction* repeat = menu.addAction(themedIcon(QStringLiteral("refresh")), tr("Run again"));
    repeat->setEnabled(runs.size() == 1);
    QAction* remove = menu.addAction(themedIcon(QStringLiteral("trash")), tr("Delete"));
    remove->setShortcut(QKeySequence::Delete);
    remove->setEnabled(!runs.isEmpty());
    menu.addSeparator();
    QAction* import = menu.addAction(themedIcon(QStringLiteral("open")), tr("Import records…"));
    QAction* json = menu.addAction(themedIcon(QStringLiteral("export")),
                                   tr("Export shown runs as JSON lines…"));
    QAction* csv = menu.addAction(tr("Export shown runs as CSV…"));
    json->setEnabled(!runs.isEmpty());
    csv->setEnabled(!runs.isEmpty());
    const QAction* chosen = menu.exec(position);
    if (chosen == repeat) {
        m_model.repeat(runs.front());
    } else if (chosen == remove) {
        emit deleteRequested(runs);
    } else if (chosen == import) {
        emit importRequested();
    } else if (chosen == json) {
        emit exportRequested(QStringLiteral("jsonl"));
    } else if (chosen == csv) {
        emit exportRequested(QStringLiteral("csv"));
    }
}

bool RunList::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_list && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        if (key->key() == Qt::Key_Delete && !selectedRuns().isEmpty()) {
            emit deleteRequested(selectedRuns());
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

}  // namespace loupe::app
