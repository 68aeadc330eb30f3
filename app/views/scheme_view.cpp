// SPDX-License-Identifier: GPL-3.0-or-later
// Panels "Scheme A" and "Scheme B": what is done to the weights.
#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPainter>
#include <QRegularExpression>
#include <QScrollArea>
#include <QVBoxLayout>

#include <utility>

#include "app/document/analyses.hpp"
#include "app/document/inputs.hpp"
#include "app/views/layer_data_form.hpp"
#include "app/views/scheme_form.hpp"
#include "app/views/view.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/scheme_string_field.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/play.hpp"
#include "core/scheme/step.hpp"
#include "core/study/methods.hpp"

namespace loupe::app {

namespace {

/// A text that a POSIX shell reads as one word.
QString shellQuoted(QString text) {
    static const QRegularExpression plain(QStringLiteral("^[A-Za-z0-9_./:=,+@%-]+$"));
    if (plain.match(text).hasMatch()) {
        return text;
    }
    return QLatin1Char('\'') + text.replace(QLatin1Char('\''), QStringLiteral("'\\''")) + QLatin1Char('\'');
}

class SchemeView : public View {
    Q_OBJECT

public:
    SchemeView(Document& document, Side side, QWidget* parent);

    void refresh(Changes what) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] QWidget* headerLead() override { return m_lead; }
    [[nodiscard]] std::vector<QAction*> headerActions() const override { return m_actions; }
    [[nodiscard]] QString helpAnchor() const override { return QStringLiteral("scheme"); }

private:
    [[nodiscard]] QString letter() const { return m_side == Side::A ? QStringLiteral("A") : QStringLiteral("B"); }
    [[nodiscard]] QString command() const;
    void makeLead();
    void makeActions();
    void showScheme();
    void showResult();

    Side m_side;
    QWidget* m_lead = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_bits = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_error = nullptr;
    SchemeForm* m_form = nullptr;
    LayerDataForm* m_data = nullptr;
    QAction* m_chooseActivations = nullptr;
    QAction* m_chooseGradients = nullptr;
    std::vector<QAction*> m_actions;
    QAction* m_copyCommand = nullptr;
    QAction* m_play = nullptr;
    std::optional<Error> m_shownError;
    QString m_shownErrorScheme;
    double m_bitsPerWeight = 0;
};

SchemeView::SchemeView(Document& document, Side side, QWidget* parent) : View(document, parent), m_side(side) {
    setProperty("loupeColor", letter());
    makeLead();
    m_progress = new ProgressLine(this);
    m_form = new SchemeForm;
    m_error = new MessageBar(this);
    m_form->stringField().setNames(tr("Scheme string of %1").arg(letter()));
    auto* scroll = new QScrollArea(this);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setFocusPolicy(Qt::NoFocus);
    m_data = new LayerDataForm(document, this);
    auto* content = new QWidget;
    auto* stack = new QVBoxLayout(content);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(0);
    stack->addWidget(m_form, 1);
    auto* calibration = new QHBoxLayout;
    calibration->setContentsMargins(Theme::px(12), Theme::px(2), Theme::px(12), Theme::px(6));
    calibration->addWidget(m_data->calibration());
    stack->addLayout(calibration);
    scroll->setWidget(content);
    scroll->viewport()->setAutoFillBackground(false);
    content->setAutoFillBackground(false);
    m_form->setAutoFillBackground(false);
    auto* errors = new QVBoxLayout;
    errors->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    errors->addWidget(m_error);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_progress);
    layout->addLayout(errors);
    layout->addWidget(scroll, 1);
    // Data and string stay in sight whatever the form's length.
    layout->addWidget(m_data);
    auto* string = new QVBoxLayout;
    string->setContentsMargins(Theme::px(12), Theme::px(4), Theme::px(12), Theme::px(8));
    string->addWidget(&m_form->stringField());
    layout->addLayout(string);
    makeActions();
    connect(m_form, &SchemeForm::edited, this, [this](const QString& text, const QString& label, int mergeId) {
        // Gestures on A and B never merge with each other.
        const int id = mergeId == 0 ? 0 : (mergeId << 1 | (m_side == Side::A ? 0 : 1)) & 0x7fffffff;
        this->document().setScheme(m_side, text, tr("%1: %2").arg(letter(), label), id);
    });
    connect(m_form, &SchemeForm::editingFinished, this, [this] { this->document().endMerge(); });
}

void SchemeView::makeLead() {
    m_lead = new QWidget(this);
    m_lead->hide();
    auto* layout = new QHBoxLayout(m_lead);
    layout->setContentsMargins(0, Theme::px(9), 0, Theme::px(9));
    layout->setSpacing(Theme::px(10));
    layout->addWidget(new LetterBadge(m_side == Side::B, m_lead));
    m_title = new ElidedLabel(m_lead);
    setTextRole(m_title, TextRole::Heading);
    layout->addWidget(m_title, 1);
    m_bits = new QLabel(m_lead);
    setTextRole(m_bits, TextRole::Number);
    setTone(m_bits, Tone::Secondary);
    layout->addWidget(m_bits);
}

void SchemeView::makeActions() {
    const auto add = [this](const QString& text) {
        auto* action = new QAction(text, this);
        m_actions.push_back(action);
        return action;
    };
    QAction* presets = add(tr("Start from"));
    auto* menu = new QMenu(this);
    for (const auto& [name, text] : schemePresets()) {
        QAction* action = menu->addAction(QStringLiteral("%1\t%2").arg(name, text));
        connect(action, &QAction::triggered, this, [this, name = name, text = text] {
            document().setScheme(m_side, text, tr("%1: %2").arg(letter(), name));
        });
    }
    presets->setMenu(menu);
    connect(add(tr("Remove the scheme")), &QAction::triggered, this,
            [this] { document().setScheme(m_side, {}, tr("%1: none").arg(letter())); });
    connect(add(tr("Swap A and B")), &QAction::triggered, this, [this] {
        document().edit(tr("Swap schemes"), [](ExperimentSpec& spec) { std::swap(spec.schemeA, spec.schemeB); });
    });
    m_play = add(tr("Play scheme %1 step by step").arg(letter()));
    connect(m_play, &QAction::triggered, this, [this] { playInAlgorithms(*this, document().scheme(m_side)); });
    connect(add(tr("Copy scheme string")), &QAction::triggered, this,
            [this] { QApplication::clipboard()->setText(document().scheme(m_side)); });
    m_copyCommand = add(tr("Copy as loupe command"));
    m_chooseActivations = new QAction(tr("Choose activations…"), this);
    connect(m_chooseActivations, &QAction::triggered, m_data, &LayerDataForm::chooseActivations);
    m_chooseGradients = new QAction(tr("Choose gradients…"), this);
    connect(m_chooseGradients, &QAction::triggered, m_data, &LayerDataForm::chooseGradients);
    connect(m_copyCommand, &QAction::triggered, this, [this] { QApplication::clipboard()->setText(command()); });
}

QString SchemeView::command() const {
    const ExperimentSpec& spec = document().spec();
    QString text = QStringLiteral("loupe quantize %1 --tensor %2 --scheme %3")
                       .arg(shellQuoted(QString::fromStdString(spec.source)), shellQuoted(QString::fromStdString(spec.tensor)),
                            shellQuoted(document().scheme(m_side)));
    const InputReferences inputs = inputReferences(document());
    if (!inputs.activations.empty()) {
        text += QStringLiteral(" --activations ") + shellQuoted(QString::fromStdString(inputs.activations));
    }
    if (spec.calibrationRows > 0) {
        text += QStringLiteral(" --calibration-rows %1").arg(spec.calibrationRows);
        if (spec.calibrationChoice != "first") {
            text += QStringLiteral(" --calibration-choice ") + QString::fromStdString(spec.calibrationChoice);
        }
        if (spec.calibrationChoice == "random") {
            text += QStringLiteral(" --calibration-seed %1").arg(spec.calibrationSeed);
        }
    }
    if (!inputs.gradients.empty()) {
        text += QStringLiteral(" --gradients ") + shellQuoted(QString::fromStdString(inputs.gradients));
    }
    return text;
}

void SchemeView::refresh(Changes what) {
    const Change own = m_side == Side::A ? Change::SchemeA : Change::SchemeB;
    if (what.testFlag(own) || what.testFlag(Change::Source)) {
        showScheme();
    }
    if (what.testFlag(own) || what.testFlag(Change::Results) || what.testFlag(Change::Tensor) || what.testFlag(Change::Inputs) ||
        what.testFlag(Change::Source)) {
        showResult();
    }
}

void SchemeView::showScheme() {
    const std::string text = document().scheme(m_side).toStdString();
    const Result<Scheme> scheme = text.empty() ? Result<Scheme>(Scheme{}) : parseScheme(text);
    // The document only holds valid strings; an old session may name a step that this build lacks.
    m_form->setScheme(scheme ? *scheme : Scheme{});
    m_title->setText(!scheme || scheme->empty() ? tr("No scheme") : QString::fromStdString(title(*scheme)));
    m_title->setToolTip(QString::fromStdString(text));
    m_play->setEnabled(scheme && methodFor(*scheme) != nullptr);
    m_lead->setAccessibleName(tr("Scheme %1: %2").arg(letter(), m_title->text()));
    setSubtitle(m_title->text());
    setAccessibleName(m_lead->accessibleName());
}

void SchemeView::showResult() {
    const Lookup<SchemeResult> result = document().analyses().scheme(m_side);
    m_data->refresh(m_form->scheme());
    m_progress->setProgress(result.pending ? std::optional(result.fraction) : std::nullopt);
    const SchemeResult* best = result.best();
    m_bitsPerWeight = best != nullptr && !result.pending ? best->bitsPerWeight : 0;
    m_bits->setText(best != nullptr ? tr("%1 bits/w").arg(formatFixed(best->bitsPerWeight, 3)) : QString());
    setTone(m_bits, result.pending ? Tone::Tertiary : Tone::Secondary);
    m_copyCommand->setEnabled(document().tensor() != nullptr && !document().scheme(m_side).isEmpty());
    if (!result.error) {
        if (!result.pending) {
            m_error->clear();
            m_shownError.reset();
        }
        return;
    }
    const bool missing = result.error->code == ErrorCode::Missing;
    const bool gradients = result.error->what.find("gradients") != std::string::npos;
    const Analyses& analyses = document().analyses();
    if (missing && (gradients ? analyses.gradients() : analyses.activations()).error) {
        // They were given and do not fit: the field says so.
        m_error->clear();
        m_shownError.reset();
        return;
    }
    // The same failure of another setting counts; a mere refresh does not.
    const QString scheme = document().scheme(m_side);
    if (m_shownError != result.error || m_shownErrorScheme != scheme) {
        // What is missing can be given here; the option's name is the command line's.
        if (missing) {
            const QString step = QString::fromStdString(result.error->what).section(QLatin1Char('\''), 1, 1);
            m_error->showMessage(MessageBar::Role::Error,
                                 gradients ? tr("'%1' needs gradients").arg(step) : tr("'%1' needs activations").arg(step),
                                 gradients ? tr("Of the loss by each weight, in the weight's shape.")
                                           : tr("What goes into the layer, [tokens, in]."));
        } else {
            m_error->showError(*result.error);
        }
        m_error->setActions(missing ? std::vector<QAction*>{gradients ? m_chooseGradients : m_chooseActivations}
                                    : std::vector<QAction*>{});
        m_shownError = result.error;
        m_shownErrorScheme = scheme;
    }
}

QString SchemeView::copyText() const {
    const QString scheme = document().scheme(m_side);
    if (scheme.isEmpty()) {
        return {};
    }
    const QString bits = m_bitsPerWeight > 0 ? toAscii(formatFixed(m_bitsPerWeight, 3)) : QString();
    return QStringLiteral("side\tscheme\tbits per weight\n%1\t%2\t%3\n").arg(letter(), scheme, bits);
}

}  // namespace

extern const ViewDefinition kView_scheme_a;
const ViewDefinition kView_scheme_a{"scheme_a", QT_TRANSLATE_NOOP("View", "Scheme A"), Area::Right,
                                    [](Document& document, QWidget* parent) -> View* {
                                        return new SchemeView(document, Side::A, parent);
                                    }};
extern const ViewDefinition kView_scheme_b;
const ViewDefinition kView_scheme_b{"scheme_b", QT_TRANSLATE_NOOP("View", "Scheme B"), Area::Right,
                                    [](Document& document, QWidget* parent) -> View* {
                                        return new SchemeView(document, Side::B, parent);
                                    }};

}  // namespace loupe::app

#include "scheme_view.moc"
