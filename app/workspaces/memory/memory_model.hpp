// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "core/memory/hardware.hpp"
#include "core/memory/memory_estimate.hpp"

#include <QJsonObject>
#include <QObject>

#include <memory>
#include <optional>

namespace loupe::app {

struct MemorySettings {
    QString model = QStringLiteral("llama-2-7b");  ///< a preset's id, "open" or "parameters"
    std::int64_t parameters = 7'000'000'000;       ///< where they are given by hand
    QString format = QStringLiteral("bf16");       ///< "stored": as the open checkpoint is
    bool keepEmbeddings = false;
    std::int64_t context = 4096;
    std::int64_t batch = 1;
    int kvBits = 16;
    bool prefill = false;      ///< the whole context goes through at once
    bool keepsScores = false;  ///< standard attention
    friend bool operator==(const MemorySettings&, const MemorySettings&) = default;
};

/// What is asked, and what it needs. The open checkpoint's tensors are counted in the background.
/// UI thread only.
class MemoryModel : public QObject {
    Q_OBJECT

public:
    explicit MemoryModel(Document& document, QObject* parent = nullptr);

    [[nodiscard]] Document& document() const { return m_document; }
    [[nodiscard]] const MemorySettings& settings() const { return m_settings; }
    void change(const MemorySettings& settings);
    /// The document's checkpoint is another one.
    void sourceChanged();
    [[nodiscard]] bool busy() const { return m_busy; }

    [[nodiscard]] const MemorySubject& subject() const { return m_subject; }
    [[nodiscard]] bool hasSubject() const { return m_subject.parameters > 0; }
    [[nodiscard]] const WeightFormat* format() const;  ///< null: as stored
    [[nodiscard]] MemoryRequest request() const;
    /// Empty where there is nothing to tell: problem() says why.
    [[nodiscard]] const std::optional<MemoryEstimate>& estimate() const { return m_estimate; }
    [[nodiscard]] QString problem() const;
    /// The least time for a token, everything read once; empty with experts, or what does not fit.
    [[nodiscard]] std::optional<double> secondsPerToken(const HardwareDevice& device) const;

    /// Index into allHardware(): whose figures and sources are shown.
    [[nodiscard]] std::size_t device() const { return m_device; }
    void chooseDevice(std::size_t index);

    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    void changed();
    void deviceChanged();

private:
    void update();

    Document& m_document;
    MemorySettings m_settings;
    MemorySubject m_subject;
    std::optional<MemoryEstimate> m_estimate;
    std::weak_ptr<const TensorSource> m_counted;  ///< whose tensors are, or are being, counted
    std::optional<MemorySubject> m_open;
    bool m_busy = false;
    std::size_t m_device = 0;
};

}  // namespace loupe::app
