// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "core/scheme/trace.hpp"
#include "core/study/methods.hpp"
#include "core/study/slice.hpp"

#include <QJsonObject>
#include <QObject>
#include <QTimer>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace loupe::app {

/// What the theatre plays: the method and its scheme, the layer, the recorded trace, the state and
/// the cell that are looked at. Traces are recorded in the background and the last few kept.
/// UI thread only.
class TheatreModel : public QObject {
    Q_OBJECT

public:
    explicit TheatreModel(Document& document, QObject* parent = nullptr);
    ~TheatreModel() override;

    [[nodiscard]] Document& document() const { return m_document; }
    /// Null only where no step can be told.
    [[nodiscard]] const Method* method() const { return m_method; }
    /// Its preset scheme, and its own source unless the open tensor is played.
    void setMethod(const QString& id);
    [[nodiscard]] const Scheme& scheme() const { return m_scheme; }
    [[nodiscard]] QString schemeText() const;
    void setScheme(const Scheme& scheme);
    /// The method of the scheme's last step on the open tensor. False where it cannot be played.
    bool play(const QString& scheme);
    /// Changes the step that is told.
    void setStep(const Step& step);

    /// "synthetic:F1", or empty: a slice of the open tensor.
    [[nodiscard]] const QString& source() const { return m_source; }
    void setSource(const QString& path);
    [[nodiscard]] bool playsTensor() const { return m_source.isEmpty(); }
    [[nodiscard]] const Slice& slice() const { return m_slice; }
    void setSlice(const Slice& slice);
    /// What was cut out of the layer and is played; null before the trace is there.
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> tokens() const { return m_tokens; }

    /// Begins to record where that is not done yet; call when the workspace is shown or the
    /// document changed.
    void update();
    /// The last trace that was recorded; still the old one while busy(); null after a failure.
    [[nodiscard]] const std::shared_ptr<const Trace>& trace() const { return m_trace; }
    [[nodiscard]] const std::optional<Error>& error() const { return m_error; }
    [[nodiscard]] bool busy() const { return m_busy; }

    [[nodiscard]] std::size_t stateCount() const { return m_trace ? m_trace->states.size() : 0; }
    [[nodiscard]] std::size_t stateIndex() const { return m_state; }
    /// Null without a trace.
    [[nodiscard]] const TraceState* state() const;
    void setState(std::size_t index);
    void step(int by);
    [[nodiscard]] bool isPlaying() const { return m_player.isActive(); }
    /// From the last state it begins again.
    void setPlaying(bool playing);
    [[nodiscard]] double speed() const { return m_speed; }
    void setSpeed(double speed);

    /// The cell of the first panel that is explained.
    [[nodiscard]] TraceCell cell() const { return m_cell; }
    void setCell(TraceCell cell);
    void moveCell(std::int64_t rows, std::int64_t cols);
    /// The state's own choice again.
    void releaseCell();
    [[nodiscard]] std::vector<TraceNote> notes() const;

    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    /// Method, scheme, source or slice.
    void choiceChanged();
    /// A trace arrived, failed or is being recorded.
    void traceChanged();
    void stateChanged();
    void cellChanged();
    void playingChanged();

private:
    struct Recorded {
        QString key;
        std::shared_ptr<const Trace> trace;
        std::pair<std::int64_t, std::int64_t> tokens;
    };
    [[nodiscard]] QString key() const;
    void adopt();
    [[nodiscard]] bool lacksInputs() const;
    void fitSlice();
    void record();
    void take(const QString& key, const Result<Recorded>& result);
    void show(const Recorded& recorded);
    void followFocus(TraceCell before);
    void tick();

    Document& m_document;
    const Method* m_method = nullptr;
    Scheme m_scheme;
    QString m_source;
    Slice m_slice;
    QString m_sliceOf;  ///< tensor that the slice was made for
    bool m_sliceChosen = false;
    bool m_adopted = false;      ///< what Inspect shows has been looked at
    bool m_tensorAsked = false;  ///< somebody wanted the open tensor, not only got it
    std::shared_ptr<const Trace> m_trace;
    std::pair<std::int64_t, std::int64_t> m_tokens{0, 0};
    QString m_shownKey;
    QString m_wantedKey;
    std::optional<Error> m_error;
    bool m_busy = false;
    std::vector<Recorded> m_recent;
    std::size_t m_state = 0;
    std::optional<std::size_t> m_wantedState;  ///< of a session, until its trace is there
    TraceCell m_cell;
    bool m_cellChosen = false;
    QTimer m_player;
    double m_speed = 1;
};

}  // namespace loupe::app
