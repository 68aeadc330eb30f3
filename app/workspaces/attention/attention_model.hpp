// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "core/attention/attention_trace.hpp"

#include <QJsonObject>
#include <QObject>
#include <QTimer>

#include <memory>
#include <optional>

namespace loupe::app {

/// What is played: example, order of the tiles, sizes.
struct AttentionSettings {
    bool worked = false;  ///< the lecture's four keys; else random Q, K and V
    AttentionAlgorithm algorithm = AttentionAlgorithm::Flash1;
    AttentionSize size{1024, 64, 16384};
    std::int64_t block = 64;  ///< FlashAttention-2: B_r = B_c
    bool causal = false;

    /// The worked example's own sizes where it is played.
    [[nodiscard]] AttentionSize played() const;
    [[nodiscard]] AttentionTiling tiling() const;
    friend bool operator==(const AttentionSettings&, const AttentionSettings&) = default;
};

/// The recorded run, the step that is looked at, and the tile and row that are followed. Runs are
/// recorded in the background. UI thread only.
class AttentionModel : public QObject {
    Q_OBJECT

public:
    explicit AttentionModel(Document& document, QObject* parent = nullptr);

    [[nodiscard]] const AttentionSettings& settings() const { return m_settings; }
    void change(const AttentionSettings& settings);
    /// Begins to record where that is not done yet.
    void update();
    [[nodiscard]] bool busy() const { return m_busy; }
    /// The last run recorded; still the old one while busy(); null after a failure.
    [[nodiscard]] const std::shared_ptr<const AttentionTrace>& trace() const { return m_trace; }
    [[nodiscard]] const std::optional<Error>& error() const { return m_error; }

    [[nodiscard]] std::size_t stepCount() const { return m_trace ? m_trace->steps.size() : 0; }
    [[nodiscard]] std::size_t stepIndex() const { return m_step; }
    /// Null without a run.
    [[nodiscard]] const AttentionStep* step() const;
    void setStep(std::size_t index);
    void move(int by);
    [[nodiscard]] bool isPlaying() const { return m_player.isActive(); }
    /// From the last step it begins again.
    void setPlaying(bool playing);
    [[nodiscard]] double speed() const { return m_speed; }
    void setSpeed(double speed);

    /// The tile that is followed; the running one unless another was chosen.
    [[nodiscard]] std::int64_t queryBlock() const { return m_queryBlock; }
    [[nodiscard]] std::int64_t keyBlock() const { return m_keyBlock; }
    [[nodiscard]] bool tileChosen() const { return m_tileChosen; }
    void chooseTile(std::int64_t queryBlock, std::int64_t keyBlock);
    void releaseTile();
    /// The query whose running softmax is shown: of the followed block.
    [[nodiscard]] std::int64_t row() const;
    void setRow(std::int64_t row);
    /// The step that computed a tile, if it has been computed by now: an index, or -1.
    [[nodiscard]] std::ptrdiff_t stepOf(std::int64_t queryBlock, std::int64_t keyBlock) const;
    /// The step whose numbers are shown: of the followed tile where it is computed; null: none.
    [[nodiscard]] const AttentionStep* followed() const;
    /// The scores' range over the whole run: colours mean the same in every step.
    [[nodiscard]] std::pair<double, double> range() const { return m_range; }

    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    void settingsChanged();
    void traceChanged();
    void stepChanged();
    void tileChanged();
    void playingChanged();

private:
    void take(const AttentionSettings& settings,
              const Result<std::shared_ptr<const AttentionTrace>>& result);
    void follow();
    void tick();

    Document& m_document;
    AttentionSettings m_settings;
    std::optional<AttentionSettings> m_wanted;
    std::shared_ptr<const AttentionTrace> m_trace;
    std::vector<std::ptrdiff_t> m_stepOf;  ///< [queryBlock, keyBlock] of the tiled orders
    std::pair<double, double> m_range{0, 1};
    std::optional<Error> m_error;
    std::size_t m_step = 0;
    std::size_t m_wantedStep = 0;
    std::int64_t m_queryBlock = 0;
    std::int64_t m_keyBlock = 0;
    std::int64_t m_rowInBlock = 0;
    bool m_tileChosen = false;
    bool m_busy = false;
    QTimer m_player;
    double m_speed = 4;
};

}  // namespace loupe::app
