// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QString>

#include <cstddef>
#include <utility>
#include <vector>

class QBoxLayout;
class QLabel;
class QPushButton;
class QSlider;
class QToolButton;

namespace loupe::app {

class SegmentedControl;

/// Where a player is.
struct PlayState {
    std::size_t count = 0;  ///< steps
    std::size_t at = 0;
    bool playing = false;
    double speed = 1;
    QString text;  ///< "tile %1 of %2"
};

/// First, back, play, forward, last, a slider over the steps, the position and the speed: put into
/// a bar's layout, so that the bar can fold what has no room.
class PlayControls : public QObject {
    Q_OBJECT

public:
    /// @param names  object names of the play button and the slider
    PlayControls(QWidget& bar,
                 QBoxLayout& layout,
                 const std::pair<QString, QString>& names = {QStringLiteral("play"),
                                                             QStringLiteral("position")});
    void show(const PlayState& state);
    [[nodiscard]] QSlider* slider() const { return m_slider; }
    [[nodiscard]] SegmentedControl* speed() const { return m_speed; }
    [[nodiscard]] QString position() const;
    /// A button of the bar's own in the same style.
    [[nodiscard]] static QToolButton* addButton(QWidget& bar,
                                                QBoxLayout& layout,
                                                const QString& icon,
                                                const QString& name,
                                                const QString& keys);

signals:
    void moved(int by);
    void positionChosen(qulonglong step);
    void playToggled(bool playing);
    void speedChosen(double speed);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    QToolButton* stepButton(
        QWidget& bar, QBoxLayout& layout, const QString& icon, const QString& name, const QString& keys, int by);
    void scale();

    QPushButton* m_play = nullptr;
    std::vector<QToolButton*> m_backwards;
    std::vector<QToolButton*> m_forwards;
    QSlider* m_slider = nullptr;
    QLabel* m_count = nullptr;
    SegmentedControl* m_speed = nullptr;
    bool m_playing = false;
};

}  // namespace loupe::app
