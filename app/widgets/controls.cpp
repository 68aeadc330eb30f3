// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/controls.hpp"

#include <QButtonGroup>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPainterPath>
#include <QSlider>
#include <QToolButton>

#include <algorithm>
#include <cmath>

#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "core/base/assert.hpp"

namespace loupe::app {

namespace {

constexpr int kRealSteps = 200;
constexpr double kLargestSliderRange = 4096;  // more positions than pixels: typing is the better way
constexpr double kSliderPowers[] = {8, 2048};

bool showsKeyboardFocus(const QWidget* widget) {
    return widget->hasFocus() && widget->window()->testAttribute(Qt::WA_KeyboardFocusChange);
}

class SegmentButton : public QAbstractButton {
public:
    explicit SegmentButton(QWidget* parent) : QAbstractButton(parent) {
        setCheckable(true);
        setAttribute(Qt::WA_Hover);
        setFocusPolicy(Qt::StrongFocus);
    }

    [[nodiscard]] QSize sizeHint() const override {
        QFont bold = font();
        bold.setWeight(QFont::DemiBold);
        return {QFontMetrics(bold).horizontalAdvance(text()) + Theme::px(16), Theme::px(26)};
    }

protected:
    void paintEvent(QPaintEvent*) override {
        const Theme& t = Theme::current();
        QPainter painter(this);
        const QRectF inner = QRectF(rect()).adjusted(1, 1, -1, -1);
        if (isChecked()) {
            drawBox(painter, inner, 5, t.pressed, QColor());
        } else if (underMouse() && isEnabled()) {
            drawBox(painter, inner, 5, t.raised, QColor());
        }
        QFont face = font();
        face.setWeight(isChecked() ? QFont::DemiBold : QFont::Normal);
        painter.setFont(face);
        painter.setPen(!isEnabled() ? t.text3 : isChecked() || underMouse() ? t.text : t.text2);
        const QString shown = QFontMetrics(face).elidedText(text(), Qt::ElideRight, width() - 4);
        painter.drawText(rect(), Qt::AlignCenter, shown);
        if (showsKeyboardFocus(this)) {
            drawFocusRing(painter, rect(), 6);
        }
    }
};

}  // namespace

NumberField::NumberField(QWidget* parent) : QWidget(parent) {
    m_slider = new QSlider(Qt::Horizontal, this);
    m_slider->setMinimumWidth(24);
    m_spin = new ValueSpinBox(this);
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(8));
    layout->addWidget(m_slider, 1);
    layout->addWidget(m_spin);
    setFocusProxy(m_spin);
    connect(m_slider, &QSlider::valueChanged, this, &NumberField::onSlider);
    connect(m_slider, &QSlider::sliderReleased, this, &NumberField::finish);
    connect(m_slider, &QSlider::actionTriggered, this, [this] {
        // Keys and the wheel: each is an edit of its own. The first move of a drag comes before the slider counts as down, so
        // look again later; the drag itself ends with sliderReleased.
        if (!m_finishPending && !m_slider->isSliderDown()) {
            m_finishPending = true;
            const auto look = [this] {
                if (m_finishPending && !m_slider->isSliderDown()) {
                    finish();
                }
                m_finishPending = false;
            };
            QMetaObject::invokeMethod(this, look, Qt::QueuedConnection);
        }
    });
    connect(m_spin, &QDoubleSpinBox::valueChanged, this, &NumberField::onSpin);
    connect(m_spin, &QDoubleSpinBox::editingFinished, this, &NumberField::editingFinished);
    setRange({});
}

void NumberField::finish() {
    m_finishPending = false;
    emit editingFinished();
}

QWidget* NumberField::spinBox() const { return m_spin; }

bool NumberField::usesSlider() const {
    return m_range.powersOfTwo || m_range.max - m_range.min <= kLargestSliderRange;
}

void NumberField::setRange(const NumberRange& range) {
    LOUPE_ASSERT(range.min <= range.max, "a number field's range");
    m_range = range;
    m_updating = true;
    m_spin->setStepping(range.integer, range.powersOfTwo);
    m_spin->setRange(range.min, range.max);
    m_spin->setSingleStep(range.integer ? 1 : (range.max - range.min <= 1 ? 0.05 : range.max - range.min <= 100 ? 0.1 : 1));
    m_slider->setVisible(usesSlider());
    if (range.powersOfTwo) {
        m_slider->setRange(static_cast<int>(std::ceil(std::log2(std::max(range.min, kSliderPowers[0])))),
                           static_cast<int>(std::floor(std::log2(std::min(range.max, kSliderPowers[1])))));
        m_slider->setPageStep(1);
    } else if (range.integer && usesSlider()) {
        m_slider->setRange(static_cast<int>(range.min), static_cast<int>(range.max));
        m_slider->setPageStep(std::max(1, static_cast<int>((range.max - range.min) / 8)));
    } else {
        m_slider->setRange(0, kRealSteps);
        m_slider->setPageStep(kRealSteps / 10);
    }
    m_spin->setSizePolicy(usesSlider() ? QSizePolicy::Fixed : QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_spin->setToolTip(range.unit);
    m_spin->updateGeometry();
    m_updating = false;
    setValue(std::clamp(m_value, range.min, range.max));
}

int NumberField::toPosition(double value) const {
    if (m_range.powersOfTwo) {
        return static_cast<int>(std::lround(std::log2(std::max(1.0, value))));
    }
    if (m_range.integer) {
        return static_cast<int>(std::lround(std::clamp(value, m_range.min, m_range.max)));
    }
    const double span = m_range.max - m_range.min;
    return span > 0 ? static_cast<int>(std::lround((value - m_range.min) / span * kRealSteps)) : 0;
}

double NumberField::fromPosition(int position) const {
    if (m_range.powersOfTwo) {
        return std::exp2(position);
    }
    if (m_range.integer) {
        return position;
    }
    // Round to the step's own digits: 0.35, not 0.35000000000000003.
    const double step = (m_range.max - m_range.min) / kRealSteps;
    const double raw = m_range.min + position * step;
    const double unit = std::pow(10.0, std::floor(std::log10(step)) - 1);
    return std::clamp(std::round(raw / unit) / std::round(1 / unit), m_range.min, m_range.max);
}

void NumberField::setValue(double value) {
    m_updating = true;
    m_value = value;
    m_spin->setValue(value);
    m_slider->setValue(toPosition(value));
    m_updating = false;
}

void NumberField::setNames(const QString& name, const QString& description) {
    m_slider->setAccessibleName(name);
    m_slider->setAccessibleDescription(description);
    m_spin->setAccessibleName(name);
    m_spin->setAccessibleDescription(description);
    setAccessibleName(name);
}

void NumberField::onSlider(int position) {
    if (m_updating) {
        return;
    }
    m_updating = true;
    m_value = fromPosition(position);
    m_spin->setValue(m_value);
    m_updating = false;
    emit valueEdited(m_value);
}

void NumberField::onSpin(double value) {
    if (m_updating) {
        return;
    }
    m_updating = true;
    m_value = value;
    m_slider->setValue(toPosition(value));
    m_updating = false;
    emit valueEdited(m_value);
}

SegmentedControl::SegmentedControl(QWidget* parent) : QWidget(parent) {
    m_group = new QButtonGroup(this);
    m_group->setExclusive(true);
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    connect(m_group, &QButtonGroup::idClicked, this, [this](int index) {
        emit chosen(m_options[static_cast<std::size_t>(index)].id);
    });
}

void SegmentedControl::setOptions(const std::vector<Option>& options) {
    if (options == m_options) {
        return;
    }
    const QString kept = current();
    for (QAbstractButton* button : m_buttons) {
        m_group->removeButton(button);
        delete button;
    }
    m_buttons.clear();
    m_options = options;
    for (std::size_t i = 0; i < options.size(); ++i) {
        auto* button = new SegmentButton(this);
        button->setText(options[i].text);
        button->setToolTip(options[i].toolTip);
        button->setAccessibleName(options[i].text);
        button->setAccessibleDescription(options[i].toolTip);
        setTextRole(button, TextRole::Small);
        m_group->addButton(button, static_cast<int>(i));
        m_buttons.push_back(button);
        button->show();
    }
    setCurrent(kept);
    updateGeometry();
    arrange();
}

void SegmentedControl::setCurrent(const QString& id) {
    for (std::size_t i = 0; i < m_options.size(); ++i) {
        if (m_options[i].id == id) {
            m_buttons[i]->setChecked(true);
            setFocusProxy(m_buttons[i]);
            return;
        }
    }
    if (QAbstractButton* checked = m_group->checkedButton()) {
        m_group->setExclusive(false);
        checked->setChecked(false);
        m_group->setExclusive(true);
    }
}

QString SegmentedControl::current() const {
    const int index = m_group->checkedId();
    return index < 0 ? QString() : m_options[static_cast<std::size_t>(index)].id;
}

QAbstractButton* SegmentedControl::button(const QString& id) const {
    for (std::size_t i = 0; i < m_options.size(); ++i) {
        if (m_options[i].id == id) {
            return m_buttons[i];
        }
    }
    return nullptr;
}

void SegmentedControl::setCompact(bool compact) {
    m_compact = compact;
    QSizePolicy policy(compact ? QSizePolicy::Maximum : QSizePolicy::Expanding, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    updateGeometry();
}

int SegmentedControl::widest() const {
    int width = 1;
    for (const QAbstractButton* button : m_buttons) {
        width = std::max(width, button->sizeHint().width());
    }
    return width;
}

int SegmentedControl::columnsFor(int width) const {
    const int count = static_cast<int>(m_buttons.size());
    // A little tighter than the hint before a row is broken.
    const int least = std::max(1, widest() - Theme::px(10));
    const int fit = std::clamp(width / least, 1, std::max(1, count));
    if (fit >= count) {
        return std::max(1, count);
    }
    const int rows = (count + fit - 1) / fit;
    return (count + rows - 1) / rows;
}

QSize SegmentedControl::sizeHint() const {
    const int width = widest() * static_cast<int>(std::max<std::size_t>(1, m_buttons.size()));
    return {width, heightForWidth(width)};
}

QSize SegmentedControl::minimumSizeHint() const { return {std::max(1, widest() - Theme::px(10)), Theme::px(26)}; }

int SegmentedControl::heightForWidth(int width) const {
    const int columns = columnsFor(width);
    const int rows = (static_cast<int>(m_buttons.size()) + columns - 1) / columns;
    return Theme::px(26) * std::max(1, rows);
}

void SegmentedControl::arrange() {
    const int count = static_cast<int>(m_buttons.size());
    const int columns = columnsFor(width());
    const int rows = std::max(1, (count + columns - 1) / columns);
    const double cellHeight = double(height()) / rows;
    for (int i = 0; i < count; ++i) {
        const int row = i / columns;
        const int inRow = std::min(columns, count - row * columns);
        const double cellWidth = double(width()) / inRow;
        const int column = i % columns;
        const int left = static_cast<int>(std::lround(column * cellWidth));
        const int right = static_cast<int>(std::lround((column + 1) * cellWidth));
        const int top = static_cast<int>(std::lround(row * cellHeight));
        const int bottom = static_cast<int>(std::lround((row + 1) * cellHeight));
        m_buttons[static_cast<std::size_t>(i)]->setGeometry(left, top, right - left, bottom - top);
    }
}

void SegmentedControl::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    drawBox(painter, rect(), 6, t.canvas, isEnabled() ? t.border : t.line);
    for (std::size_t i = 1; i < m_buttons.size(); ++i) {
        const QRect cell = m_buttons[i]->geometry();
        if (cell.left() > 0) {
            painter.fillRect(QRect(cell.left(), cell.top() + 1, 1, cell.height() - 2), t.border);
        } else {
            painter.fillRect(QRect(1, cell.top(), width() - 2, 1), t.border);
        }
    }
}

void SegmentedControl::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    arrange();
}

void SegmentedControl::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::StyleChange || event->type() == QEvent::FontChange) {
        updateGeometry();
        arrange();
    }
}

Toggle::Toggle(const QString& sentence, QWidget* parent) : QAbstractButton(parent) {
    setCheckable(true);
    setText(sentence);
    setFocusPolicy(Qt::StrongFocus);
    setAttribute(Qt::WA_Hover);
    setTextRole(this, TextRole::Small);
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
}

QSize Toggle::sizeHint() const {
    const int words = text().isEmpty() ? 0 : Theme::px(8) + fontMetrics().horizontalAdvance(text()) + 2;
    return {Theme::px(34) + words, Theme::px(26)};
}

QSize Toggle::minimumSizeHint() const {
    return {text().isEmpty() ? Theme::px(34) : Theme::px(34 + 60), Theme::px(26)};
}

int Toggle::heightForWidth(int width) const {
    if (text().isEmpty()) {
        return Theme::px(26);
    }
    const QRect room(0, 0, std::max(1, width - Theme::px(42)), 10000);
    return std::max(Theme::px(26), fontMetrics().boundingRect(room, Qt::TextWordWrap, text()).height() + Theme::px(8));
}

void Toggle::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    const double w = Theme::px(30);
    const double h = Theme::px(18);
    const QRectF track(2, (height() - h) / 2, w, h);
    const double inset = Theme::px(3);
    const double knob = h - 2 * inset;
    if (isChecked()) {
        drawBox(painter, track, h / 2, isEnabled() ? controlColour(this, t.text) : t.text3, QColor());
        drawBox(painter, QRectF(track.right() - inset - knob, track.top() + inset, knob, knob), knob / 2, t.canvas, QColor());
    } else {
        drawBox(painter, track, h / 2, t.pressed, underMouse() ? t.text3 : t.border);
        drawBox(painter, QRectF(track.left() + inset, track.top() + inset, knob, knob), knob / 2, t.text3, QColor());
    }
    if (showsKeyboardFocus(this)) {
        drawFocusRing(painter, track.adjusted(-2, -2, 2, 2), h / 2 + 2);
    }
    painter.setFont(font());
    painter.setPen(isChecked() && isEnabled() ? t.text2 : t.text3);
    const QRect words = rect().adjusted(Theme::px(30 + 2 + 8), 0, 0, 0);
    painter.drawText(words, Qt::AlignLeft | Qt::AlignVCenter | Qt::TextWordWrap, text());
}

FormRow::FormRow(const QString& label, QWidget* control, QWidget* parent) : QWidget(parent), m_control(control) {
    m_label = new QLabel(label, this);
    m_label->setWordWrap(true);
    m_label->setBuddy(control);
    setTextRole(m_label, TextRole::Small);
    setTone(m_label, Tone::Secondary);
    m_reset = new QToolButton(this);
    m_reset->setAutoRaise(true);
    m_reset->setIcon(themedIcon(QStringLiteral("reset")));
    m_reset->setToolTip(tr("Back to the default"));
    m_reset->setAccessibleName(tr("Reset %1 to its default").arg(label));
    m_left = new QWidget(this);
    auto* leftLayout = new QHBoxLayout(m_left);
    leftLayout->setContentsMargins(0, 0, 0, 0);
    leftLayout->setSpacing(0);
    leftLayout->addWidget(m_label, 1);
    leftLayout->addWidget(m_reset);
    control->setParent(this);
    m_layout = new QBoxLayout(QBoxLayout::LeftToRight, this);
    m_layout->setSpacing(0);
    m_layout->addWidget(m_left, 0, Qt::AlignTop);
    m_layout->addWidget(control, 1, Qt::AlignTop);
    // The arrow's room is kept, so that the label does not reflow when it appears.
    QSizePolicy keep = m_reset->sizePolicy();
    keep.setRetainSizeWhenHidden(true);
    m_reset->setSizePolicy(keep);
    m_reset->hide();
    scale();
    connect(m_reset, &QToolButton::clicked, this, &FormRow::resetRequested);
}

QString FormRow::label() const { return m_label->text(); }

void FormRow::setHelp(const QString& help) {
    m_label->setToolTip(help);
    m_control->setToolTip(help);
}

void FormRow::setResettable(bool resettable) { m_reset->setVisible(resettable); }

void FormRow::scale() {
    // Large text in a narrow dock: the label stands above its control.
    const bool stacked = Theme::fontScale() >= 1.5;
    m_layout->setDirection(stacked ? QBoxLayout::TopToBottom : QBoxLayout::LeftToRight);
    m_layout->setContentsMargins(0, Theme::px(3), 0, Theme::px(3));
    m_left->setMinimumSize(stacked ? 0 : Theme::px(86 + 8), Theme::px(26));
    m_left->setMaximumWidth(stacked ? QWIDGETSIZE_MAX : Theme::px(86 + 8));
    m_reset->setFixedSize(Theme::px(24), Theme::px(24));
    m_reset->setIconSize(QSize(Theme::px(12), Theme::px(12)));
    setMinimumHeight(Theme::px(32));
}

void FormRow::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::StyleChange) {
        scale();
    }
}

}  // namespace loupe::app
