// SPDX-License-Identifier: GPL-3.0-or-later
#include <QApplication>
#include <qcustomplot.h>

#include "tests/bench/qcp_peer.hpp"

namespace loupe::bench {

namespace {

class Plot : public QcpPeer {
public:
    Plot() {
        plot_.resize(1920, 1080);
        map_ = new QCPColorMap(plot_.xAxis, plot_.yAxis);
        map_->setGradient(QCPColorGradient::gpPolar);
        map_->setInterpolate(false);
    }
    void load(std::int64_t size, const float* cells) override {
        const int n = static_cast<int>(size);
        map_->data()->setSize(n, n);
        map_->data()->setRange(QCPRange(0, n - 1), QCPRange(0, n - 1));
        for (int y = 0; y < n; ++y) {
            for (int x = 0; x < n; ++x) {
                map_->data()->setCell(x, y, static_cast<double>(cells[std::int64_t{y} * size + x]));
            }
        }
        map_->rescaleDataRange(true);
        plot_.rescaleAxes();
        plot_.replot(QCustomPlot::rpImmediateRefresh);
    }
    void pan(double left, double top, double cellsPerPixel) override {
        plot_.xAxis->setRange(left, left + 1920 * cellsPerPixel);
        plot_.yAxis->setRange(top, top + 1080 * cellsPerPixel);
        plot_.replot(QCustomPlot::rpImmediateRefresh);
    }
    void changeRange(double low, double high) override {
        map_->setDataRange(QCPRange(low, high));
        plot_.replot(QCustomPlot::rpImmediateRefresh);
    }

private:
    QCustomPlot plot_;
    QCPColorMap* map_ = nullptr;
};

}  // namespace

std::unique_ptr<QcpPeer> QcpPeer::make() {
    if (QApplication::instance() == nullptr) {
        qputenv("QT_QPA_PLATFORM", "offscreen");
        static int argc = 1;
        static char name[] = "bench";
        static char* argv[] = {name, nullptr};
        static QApplication app(argc, argv);
    }
    return std::make_unique<Plot>();
}

}  // namespace loupe::bench
