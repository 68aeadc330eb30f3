// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/run_form.hpp"

#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "app/workspaces/timing/shape_presets.hpp"
#include "app/workspaces/timing/timing_model.hpp"

#include <QCheckBox>
#include <QComboBox>
#include <QCoreApplication>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr double kLargestSize = 1 << 20;

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

QString title(const char* text) {
    return QCoreApplication::translate("Timing", text);
}

std::int64_t sizeOf(const ValueSpinBox* box) {
    return static_cast<std::int64_t>(box->value());
}

void setSize(ValueSpinBox* box, std::int64_t value) {
    box->setValue(static_cast<double>(value));
}

QToolButton* linkButton(const QString& text, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setText(text);
    button->setAutoRaise(true);
    button->setCursor(Qt::PointingHandCursor);
    setTextRole(button, TextRole::Small);
    QFont font = button->font();
    font.setUnderline(true);
    button->setFont(font);
    return button;
}

QLabel* smallNote(QWidget* parent) {
    auto* label = new QLabel(parent);
    label->setWordWrap(true);
    setTextRole(label, TextRole::Small);
    setTone(label, Tone::Tertiary);
    return label;
}

QWidget* box(QWidget* parent, QVBoxLayout*& column) {
    auto* made = new QWidget(parent);
    column = new QVBoxLayout(made);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(Theme::px(4));
    return made;
}

/// Numbers side by side, each under its name.
QWidget* fieldGrid(const std::vector<std::pair<QString, ValueSpinBox*>>& fields,
                   int columns,
                   QWidget* parent) {
    auto* made = new QWidget(parent);
    auto* grid = new QGridLayout(made);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(Theme::px(6));
    grid->setVerticalSpacing(Theme::px(2));
    for (int i = 0; i < static_cast<int>(fields.size()); ++i) {
        const auto& [name, field] = fields[static_cast<std::size_t>(i)];
        auto* label = new QLabel(name, made);
        setTextRole(label, TextRole::Caption);
        setTone(label, Tone::Secondary);
        label->setBuddy(field);
        field->setButtonSymbols(QAbstractSpinBox::NoButtons);
        field->setMinimumWidth(Theme::px(52));
        grid->addWidget(label, i / columns * 2, i % columns);
        grid->addWidget(field, i / columns * 2 + 1, i % columns);
    }
    for (int column = 0; column < columns; ++column) {
        grid->setColumnStretch(column, 1);
    }
    return made;
}

}  // namespace

OfferRow::OfferRow(const gpu::Offer& offer, bool checked, QWidget* parent)
    : QWidget(parent), m_name(toQ(offer.name)) {
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(Theme::px(6));
    m_box = new QCheckBox(m_name, this);
    m_box->setToolTip(offer.reason.empty()
                          ? toQ(offer.title)
                          : toQ(offer.title) + QLatin1Char('\n') + toQ(offer.reason));
    m_box->setAccessibleName(m_name + QStringLiteral(", ") + toQ(offer.title));
    m_box->setAccessibleDescription(toQ(offer.reason));
    m_box->setMinimumHeight(Theme::px(24));
    m_box->setChecked(checked && offer.reason.empty());
    m_box->setEnabled(offer.reason.empty());
    row->addWidget(m_box, 1);
    connect(m_box, &QCheckBox::toggled, this, &OfferRow::toggled);
    if (!offer.reason.empty()) {
        m_why = linkButton(tr("Why?"), this);
        m_why->setToolTip(toQ(offer.reason));
        m_why->setAccessibleName(tr("Why %1 cannot run").arg(m_name));
        row->addWidget(m_why);
        connect(m_why, &QToolButton::clicked, this, [this, reason = toQ(offer.reason)] {
            emit whyAsked(m_name, reason);
        });
    } else if (offer.bitsPerWeight > 0) {
        auto* bits = new QLabel(QString::number(offer.bitsPerWeight, 'g', 5), this);
        bits->setToolTip(tr("Bits per weight, scales included"));
        setTextRole(bits, TextRole::Number);
        setTone(bits, Tone::Tertiary);
        row->addWidget(bits);
    }
}

RunForm::RunForm(TimingModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("runForm"));
    setAccessibleName(tr("Run"));
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(0, 0, 0, 0);
    outer->setSpacing(0);
    auto* heading = new QLabel(tr("Run"), this);
    setTextRole(heading, TextRole::Heading);
    heading->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(4));
    outer->addWidget(heading);
    auto* scroll = new QScrollArea(this);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setFocusPolicy(Qt::NoFocus);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->viewport()->setAutoFillBackground(false);
    auto* content = new QWidget;
    content->setAutoFillBackground(false);
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(Theme::px(12), 0, Theme::px(12), Theme::px(8));
    column->setSpacing(Theme::px(6));
    m_operation = new SegmentedControl(content);
    m_operation->setAccessibleName(tr("Operation"));
    m_operation->setOptions(
        {{QStringLiteral("matmul"), tr("Matmul"), tr("Y = X·Wᵀ of a linear layer")},
         {QStringLiteral("attention"), tr("Attention"), tr("softmax(Q·Kᵀ/√d)·V")}});
    column->addWidget(m_operation);
    buildShapes(column);
    buildBackend(column);
    m_offersTitle = new QLabel(content);
    setTextRole(m_offersTitle, TextRole::Small);
    setTone(m_offersTitle, Tone::Secondary);
    m_offersTitle->setContentsMargins(0, Theme::px(6), 0, 0);
    column->addWidget(m_offersTitle);
    m_offerList = new QVBoxLayout;
    m_offerList->setSpacing(0);
    column->addLayout(m_offerList);
    buildAdvanced(column);
    column->addStretch(1);
    scroll->setWidget(content);
    outer->addWidget(scroll, 1);
    setTabOrder(m_more, m_group);
    setTabOrder(m_group, m_outliers);
    setTabOrder(m_outliers, m_samples);
    auto* foot = new QVBoxLayout;
    foot->setContentsMargins(Theme::px(12), Theme::px(6), Theme::px(12), Theme::px(8));
    foot->setSpacing(Theme::px(4));
    m_run = new QPushButton(this);
    m_run->setObjectName(QStringLiteral("run"));
    m_run->setProperty("loupePrimary", true);
    m_run->setIcon(themedIcon(QStringLiteral("play")));
    m_run->setMinimumHeight(Theme::px(32));
    foot->addWidget(m_run);
    m_note = smallNote(this);
    m_note->setAlignment(Qt::AlignHCenter);
    foot->addWidget(m_note);
    outer->addLayout(foot);
    connect(m_run, &QPushButton::clicked, this, &RunForm::runRequested);
    connect(m_operation, &SegmentedControl::chosen, this, [this](const QString& id) {
        edit([&](gpu::TimingRequest& request) {
            request.operation =
                id == QLatin1String("matmul") ? gpu::Operation::Matmul : gpu::Operation::Attention;
            // The other operation's words stand for nothing here: begin with all that run.
            request.model.clear();
            request.layer.clear();
        });
    });
    connect(&model, &TimingModel::requestChanged, this, &RunForm::refresh);
    connect(&model, &TimingModel::backendsChanged, this, [this] {
        m_offersOf.clear();
        refresh();
    });
    refresh();
}

QWidget* RunForm::firstControl() const {
    return m_operation->button(m_operation->current());
}

ValueSpinBox* RunForm::number(const QString& name, double low, double high, bool powers) {
    auto* made = new ValueSpinBox(this);
    made->setAccessibleName(name);
    made->setDecimals(0);
    made->setStepping(true, powers);
    made->setRange(low, high);
    made->setKeyboardTracking(false);
    made->setMinimumWidth(Theme::px(64));
    setTextRole(made, TextRole::Number);
    return made;
}

QLineEdit* RunForm::line(const QString& name, const QString& placeholder) {
    auto* made = new QLineEdit(this);
    made->setAccessibleName(name);
    made->setPlaceholderText(placeholder);
    made->setMinimumWidth(Theme::px(40));
    setTextRole(made, TextRole::Number);
    return made;
}

/// One change of the request by a control; the form follows the model, not the other way round.
template <class Change>
void RunForm::edit(Change change) {
    if (m_updating) {
        return;
    }
    gpu::TimingRequest request = m_model.request();
    change(request);
    m_model.setRequest(request);
}

void RunForm::buildShapes(QVBoxLayout* column) {
    QVBoxLayout* rows = nullptr;
    m_matmul = box(this, rows);
    m_layer = new QComboBox(m_matmul);
    m_layer->setAccessibleName(tr("Layer"));
    m_layer->addItem(tr("own sizes"));
    for (const LayerPreset& each : layerPresets()) {
        m_layer->addItem(title(each.title));
    }
    m_tokens = new QComboBox(m_matmul);
    m_tokens->setAccessibleName(tr("Phase"));
    m_tokens->addItem(tr("own tokens"));
    for (const TokenPreset& each : tokenPresets()) {
        m_tokens->addItem(title(each.title));
    }
    m_m = number(tr("Tokens M"), 1, kLargestSize, true);
    m_n = number(tr("Out N"), 1, kLargestSize, true);
    m_k = number(tr("In K"), 1, kLargestSize, true);
    m_group = number(tr("Group"), 1, kLargestSize, true);
    m_outliers = number(tr("Outlier inputs"), 0, kLargestSize, false);
    m_outliers->setObjectName(QStringLiteral("outliers"));
    m_outliers->setSpecialValueText(tr("none"));
    rows->addWidget(new FormRow(tr("Layer"), m_layer, m_matmul));
    rows->addWidget(new FormRow(tr("Phase"), m_tokens, m_matmul));
    rows->addWidget(
        fieldGrid({{tr("Tokens M"), m_m}, {tr("Out N"), m_n}, {tr("In K"), m_k}}, 3, m_matmul));
    column->addWidget(m_matmul);
    buildAttention(column);
    connectShapes();
}

void RunForm::buildAttention(QVBoxLayout* column) {
    QVBoxLayout* rows = nullptr;
    m_attention = box(this, rows);
    m_preset = new QComboBox(m_attention);
    m_preset->setAccessibleName(tr("Model"));
    m_preset->addItem(tr("own sizes"));
    for (const AttentionPreset& each : attentionPresets()) {
        m_preset->addItem(title(each.title));
    }
    m_seq = number(tr("Length N"), 1, kLargestSize, true);
    m_dim = number(tr("Head size d"), 1, 1024, true);
    m_heads = number(tr("Heads"), 1, 1024, true);
    m_kvHeads = number(tr("K, V heads"), 1, 1024, true);
    m_batch = number(tr("Batch"), 1, 4096, true);
    m_causal = new Toggle(tr("Causal"), m_attention);
    m_decode = new Toggle(tr("Decode: one query"), m_attention);
    rows->addWidget(new FormRow(tr("Model"), m_preset, m_attention));
    m_kvHeads->setToolTip(tr("Divides the heads; fewer: grouped-query attention"));
    rows->addWidget(fieldGrid({{tr("Length N"), m_seq},
                               {tr("Head size d"), m_dim},
                               {tr("Batch"), m_batch},
                               {tr("Heads"), m_heads},
                               {tr("K, V heads"), m_kvHeads}},
                              3,
                              m_attention));
    rows->addWidget(m_causal);
    rows->addWidget(m_decode);
    column->addWidget(m_attention);
    for (QComboBox* each : {m_layer, m_tokens, m_preset}) {
        each->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
        each->setMinimumContentsLength(6);
    }
}

void RunForm::connectShapes() {
    connect(m_layer, &QComboBox::activated, this, [this](int index) {
        if (index > 0) {
            const LayerPreset& preset = layerPresets()[static_cast<std::size_t>(index - 1)];
            edit([&](gpu::TimingRequest& request) {
                request.matmul.n = preset.n;
                request.matmul.k = preset.k;
                request.model = preset.model;
                request.layer = preset.layer;
            });
        }
    });
    connect(m_tokens, &QComboBox::activated, this, [this](int index) {
        if (index > 0) {
            const TokenPreset& preset = tokenPresets()[static_cast<std::size_t>(index - 1)];
            edit([&](gpu::TimingRequest& request) { request.matmul.m = preset.m; });
        }
    });
    connect(m_preset, &QComboBox::activated, this, [this](int index) {
        if (index > 0) {
            const AttentionPreset& preset = attentionPresets()[static_cast<std::size_t>(index - 1)];
            edit([&](gpu::TimingRequest& request) {
                request.attention = preset.shape;
                request.model = preset.model;
            });
        }
    });
    const auto sized = [this](ValueSpinBox* field, auto assign, bool ofLayer) {
        connect(field, &QDoubleSpinBox::valueChanged, this, [this, field, assign, ofLayer] {
            edit([&](gpu::TimingRequest& request) {
                assign(request, sizeOf(field));
                if (ofLayer) {
                    request.model.clear();
                    request.layer.clear();
                }
            });
        });
    };
    using Request = gpu::TimingRequest;
    sized(
        m_m, [](Request& r, std::int64_t v) { r.matmul.m = v; }, false);
    sized(
        m_n, [](Request& r, std::int64_t v) { r.matmul.n = v; }, true);
    sized(
        m_k, [](Request& r, std::int64_t v) { r.matmul.k = v; }, true);
    sized(
        m_group, [](Request& r, std::int64_t v) { r.matmul.group = v; }, false);
    sized(
        m_outliers, [](Request& r, std::int64_t v) { r.matmul.outliers = v; }, false);
    sized(
        m_seq, [](Request& r, std::int64_t v) { r.attention.seq = v; }, false);
    sized(
        m_dim, [](Request& r, std::int64_t v) { r.attention.dim = v; }, true);
    sized(
        m_heads, [](Request& r, std::int64_t v) { r.attention.heads = v; }, true);
    sized(
        m_kvHeads, [](Request& r, std::int64_t v) { r.attention.kvHeads = v; }, true);
    sized(
        m_batch, [](Request& r, std::int64_t v) { r.attention.batch = v; }, false);
    connect(m_causal, &QAbstractButton::toggled, this, [this](bool on) {
        edit([&](Request& request) { request.attention.causal = on; });
    });
    connect(m_decode, &QAbstractButton::toggled, this, [this](bool on) {
        edit([&](Request& request) { request.attention.decode = on; });
    });
}

void RunForm::buildBackend(QVBoxLayout* column) {
    m_backend = new SegmentedControl(this);
    m_backend->setAccessibleName(tr("Backend"));
    column->addWidget(new FormRow(tr("Backend"), m_backend, this));
    m_cache = new SegmentedControl(this);
    m_cache->setAccessibleName(tr("Cache"));
    m_cache->setOptions(
        {{QStringLiteral("cold"), tr("Cold"), tr("Caches are emptied before every sample")},
         {QStringLiteral("warm"),
          tr("Warm"),
          tr("The operands stay in the caches where they fit")}});
    column->addWidget(new FormRow(tr("Cache"), m_cache, this));
    m_backendNote = smallNote(this);
    m_backendNote->setTextFormat(Qt::RichText);
    m_backendNote->setTextInteractionFlags(Qt::LinksAccessibleByMouse |
                                           Qt::LinksAccessibleByKeyboard);
    column->addWidget(m_backendNote);
    connect(m_backend, &SegmentedControl::chosen, this, [this](const QString& id) {
        edit([&](gpu::TimingRequest& request) { request.backend = id.toStdString(); });
    });
    connect(m_cache, &SegmentedControl::chosen, this, [this](const QString& id) {
        edit([&](gpu::TimingRequest& request) {
            request.cache =
                id == QLatin1String("cold") ? gpu::CacheState::Cold : gpu::CacheState::Warm;
        });
    });
    connect(m_backendNote, &QLabel::linkActivated, this, &RunForm::explainBackend);
}

void RunForm::explainBackend(const QString& id) {
    for (const BackendChoice& choice : m_model.backends()) {
        if (choice.id == id) {
            emit explained(
                tr("%1 cannot run here: %2").arg(choice.title, choice.unavailable),
                tr("CPU times our kernels on this processor, and Count runs the same CUDA source "
                   "on it and counts what moves. A machine with a GPU can be named under More, "
                   "Remote host."));
        }
    }
}

void RunForm::buildAdvanced(QVBoxLayout* column) {
    m_more = new QToolButton(this);
    m_more->setObjectName(QStringLiteral("more"));
    m_more->setCheckable(true);
    m_more->setAutoRaise(true);
    m_more->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_more->setIcon(themedIcon(QStringLiteral("next")));
    m_more->setText(tr("More"));
    m_more->setToolTip(tr("Group, outliers, samples, seed, threads, remote host"));
    m_more->setAccessibleName(tr("More settings"));
    setTextRole(m_more, TextRole::Small);
    column->addWidget(m_more);
    QVBoxLayout* rows = nullptr;
    m_advanced = box(this, rows);
    m_samples = number(tr("Most samples"), 0, 100000, false);
    m_samples->setSpecialValueText(tr("method's own"));
    m_seconds = number(tr("Most seconds"), 0, 3600, false);
    m_seconds->setSpecialValueText(tr("method's own"));
    m_seed = number(tr("Seed"), 0, 4294967295.0, false);
    m_threads = number(tr("Threads"), 0, 1024, false);
    m_threads->setSpecialValueText(tr("all cores"));
    m_patience = number(tr("Patience"), 0, 3600, false);
    m_patience->setSpecialValueText(tr("for ever"));
    m_kernel = line(tr("Kernels"), tr("all, or gemm_*_mma*"));
    m_remote = line(tr("Remote host"), tr("here, or user@host"));
    m_peers = new Toggle(tr("The best library beside each"), m_advanced);
    const auto row = [&](const QString& label, QWidget* control, const QString& help) {
        auto* made = new FormRow(label, control, m_advanced);
        made->setHelp(help);
        rows->addWidget(made);
        return made;
    };
    m_groupRow = row(tr("Group"), m_group, tr("Inputs that share a scale, in formats with groups"));
    m_outlierRow = row(tr("Outliers"),
                       m_outliers,
                       tr("Inputs whose activations are 20 times as large: what int8_outliers keeps "
                          "in 16 bits"));
    row(tr("Samples"), m_samples, tr("Most samples of a case"));
    row(tr("Seconds"), m_seconds, tr("Most seconds of a case, without warm-up"));
    row(tr("Seed"), m_seed, tr("Of the random operands"));
    row(tr("Threads"), m_threads, tr("Of the CPU backend and of the executor"));
    row(tr("Kernels"),
        m_kernel,
        tr("Only kernels whose id matches: * and ? stand for any letters"));
    row(tr("Remote host"), m_remote, tr("ssh reaches it, and loupe is installed there"));
    row(tr("Patience"),
        m_patience,
        tr("Seconds without a line until you are asked whether to wait"));
    rows->addWidget(m_peers);
    column->addWidget(m_advanced);
    m_advanced->hide();
    connect(m_more, &QToolButton::toggled, this, [this](bool on) {
        m_advanced->setVisible(on);
        m_more->setIcon(themedIcon(on ? QStringLiteral("down") : QStringLiteral("next")));
    });
    using Request = gpu::TimingRequest;
    const auto changed = [this](ValueSpinBox* field, auto assign) {
        connect(field, &QDoubleSpinBox::valueChanged, this, [this, assign](double value) {
            edit([&](Request& request) { assign(request, value); });
        });
    };
    changed(m_samples, [](Request& r, double v) { r.samples = static_cast<int>(v); });
    changed(m_seconds, [](Request& r, double v) { r.seconds = v; });
    changed(m_seed, [](Request& r, double v) { r.seed = static_cast<std::uint64_t>(v); });
    changed(m_threads, [](Request& r, double v) { r.threads = static_cast<int>(v); });
    connect(m_patience, &QDoubleSpinBox::valueChanged, this, [this](double value) {
        if (!m_updating) {
            m_model.queue().setPatience(static_cast<int>(value));
        }
    });
    connect(m_kernel, &QLineEdit::textEdited, this, [this](const QString& text) {
        edit([&](Request& r) { r.kernel = text.trimmed().toStdString(); });
    });
    connect(m_remote, &QLineEdit::textEdited, this, [this](const QString& text) {
        edit([&](Request& r) { r.remote = text.trimmed().toStdString(); });
    });
    connect(m_peers, &QAbstractButton::toggled, this, [this](bool on) {
        edit([&](Request& r) { r.peers = on; });
    });
}

bool RunForm::advancedShown() const {
    return m_more->isChecked();
}

void RunForm::setAdvancedShown(bool shown) {
    m_more->setChecked(shown);
}

void RunForm::refresh() {
    const gpu::TimingRequest& request = m_model.request();
    m_updating = true;
    m_operation->setCurrent(request.operation == gpu::Operation::Matmul
                                ? QStringLiteral("matmul")
                                : QStringLiteral("attention"));
    refreshShapes(request);
    refreshBackend(request);
    refreshOffers(request);
    refreshAdvanced(request);
    m_updating = false;
    const int cases = m_model.caseCount();
    const QString refusal = m_model.refusal();
    m_run->setEnabled(refusal.isEmpty());
    m_run->setText(cases == 1 ? tr("Run 1 case") : tr("Run %1 cases").arg(cases));
    m_run->setToolTip(refusal);
    m_run->setAccessibleDescription(refusal);
    m_note->setText(!refusal.isEmpty()       ? refusal
                    : request.remote.empty() ? tr("in a separate process")
                                             : tr("on %1, through ssh").arg(toQ(request.remote)));
}

void RunForm::refreshShapes(const gpu::TimingRequest& request) {
    const bool matmul = request.operation == gpu::Operation::Matmul;
    m_matmul->setVisible(matmul);
    m_attention->setVisible(!matmul);
    setSize(m_m, request.matmul.m);
    setSize(m_n, request.matmul.n);
    setSize(m_k, request.matmul.k);
    setSize(m_group, request.matmul.group);
    setSize(m_outliers, request.matmul.outliers);
    int layer = 0;
    for (std::size_t i = 0; i < layerPresets().size(); ++i) {
        const LayerPreset& each = layerPresets()[i];
        if (each.n == request.matmul.n && each.k == request.matmul.k) {
            layer = static_cast<int>(i) + 1;
        }
    }
    m_layer->setCurrentIndex(layer);
    int tokens = 0;
    for (std::size_t i = 0; i < tokenPresets().size(); ++i) {
        tokens = tokenPresets()[i].m == request.matmul.m ? static_cast<int>(i) + 1 : tokens;
    }
    m_tokens->setCurrentIndex(tokens);
    const gpu::AttentionShape& a = request.attention;
    setSize(m_seq, a.seq);
    setSize(m_dim, a.dim);
    setSize(m_heads, a.heads);
    setSize(m_kvHeads, a.kvHeads);
    setSize(m_batch, a.batch);
    m_causal->setChecked(a.causal);
    m_decode->setChecked(a.decode);
    int preset = 0;
    for (std::size_t i = 0; i < attentionPresets().size(); ++i) {
        preset = attentionPresets()[i].shape == a ? static_cast<int>(i) + 1 : preset;
    }
    m_preset->setCurrentIndex(preset);
}

void RunForm::refreshBackend(const gpu::TimingRequest& request) {
    std::vector<SegmentedControl::Option> options;
    QString note;
    const bool remote = !request.remote.empty();
    for (const BackendChoice& choice : m_model.backends()) {
        const QString word = choice.id == QLatin1String("simt") ? tr("Count") : choice.title;
        options.push_back(
            {choice.id, word, choice.unavailable.isEmpty() ? choice.title : choice.unavailable});
        if (!choice.unavailable.isEmpty() && !remote) {
            note += QStringLiteral("%1%2: %3 <a href=\"%4\">%5</a>")
                        .arg(note.isEmpty() ? QString() : QStringLiteral("<br>"),
                             choice.title.toHtmlEscaped(),
                             tr("not here."),
                             choice.id,
                             tr("Why?"));
        }
    }
    if (options != m_backend->options()) {
        m_backend->setOptions(options);
    }
    m_backend->setCurrent(toQ(request.backend));
    for (const BackendChoice& choice : m_model.backends()) {
        // The current one stays usable, so that the focus has somewhere to be.
        m_backend->button(choice.id)->setEnabled(remote || choice.unavailable.isEmpty() ||
                                                 choice.id == toQ(request.backend));
    }
    m_backendNote->setText(note);
    m_backendNote->setVisible(!note.isEmpty());
    m_cache->setCurrent(request.cache == gpu::CacheState::Cold ? QStringLiteral("cold")
                                                               : QStringLiteral("warm"));
    m_cache->setEnabled(request.backend != "simt");
}

void RunForm::refreshOffers(const gpu::TimingRequest& request) {
    const bool matmul = request.operation == gpu::Operation::Matmul;
    m_offersTitle->setText(matmul ? tr("Formats, bits per weight") : tr("Kernels"));
    const QString of = toQ(request.backend) +
                       (matmul ? QStringLiteral("/m") : QStringLiteral("/a")) +
                       (request.remote.empty() ? QString() : QStringLiteral("/r"));
    const auto chosen = [&](const std::string& name) {
        return std::find(request.what.begin(), request.what.end(), name) != request.what.end();
    };
    if (of != m_offersOf) {
        m_offersOf = of;
        for (OfferRow* row : m_offers) {
            row->deleteLater();
            row->hide();
        }
        m_offers.clear();
        QWidget* before = m_backendNote;
        for (const gpu::Offer& offer : m_model.offers()) {
            auto* row = new OfferRow(offer, chosen(offer.name), this);
            m_offerList->addWidget(row);
            m_offers.push_back(row);
            setTabOrder(before, row->box());
            before = row->box();
            connect(row, &OfferRow::toggled, this, [this, name = offer.name](bool on) {
                edit([&](gpu::TimingRequest& r) {
                    r.what.erase(std::remove(r.what.begin(), r.what.end(), name), r.what.end());
                    if (on) {
                        r.what.push_back(name);
                    }
                });
            });
            connect(
                row, &OfferRow::whyAsked, this, [this](const QString& name, const QString& reason) {
                    emit explained(tr("%1 cannot run here.").arg(name), reason);
                });
        }
        return;
    }
    for (OfferRow* row : m_offers) {
        if (row->box()->isEnabled()) {
            row->box()->setChecked(chosen(row->name().toStdString()));
        }
    }
}

void RunForm::refreshAdvanced(const gpu::TimingRequest& request) {
    m_samples->setValue(request.samples);
    m_seconds->setValue(request.seconds);
    m_seed->setValue(static_cast<double>(request.seed));
    m_threads->setValue(request.threads);
    m_patience->setValue(m_model.queue().patience());
    m_peers->setChecked(request.peers);
    // What means nothing here cannot be set.
    const bool counts = request.backend == "simt";
    m_groupRow->setVisible(request.operation == gpu::Operation::Matmul);
    m_outlierRow->setVisible(request.operation == gpu::Operation::Matmul);
    m_samples->setEnabled(!counts);
    m_seconds->setEnabled(!counts);
    m_peers->setEnabled(!counts);
    m_threads->setEnabled(request.backend != "cuda");
    if (m_kernel->text() != toQ(request.kernel)) {
        m_kernel->setText(toQ(request.kernel));
    }
    if (m_remote->text() != toQ(request.remote)) {
        m_remote->setText(toQ(request.remote));
    }
}

}  // namespace loupe::app
