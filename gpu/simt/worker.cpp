// SPDX-License-Identifier: Apache-2.0
#include "gpu/simt/worker.hpp"

#include "core/base/rng.hpp"

#include <bit>
#include <exception>

namespace loupe::gpu::simt {

namespace {

thread_local Worker* theWorker = nullptr;

/// Thrown through the other threads of a block in which something went wrong.
struct Unwind {};

std::string text(runtime::Coordinates at) {
    std::string words(1, '(');
    words += std::to_string(at.x);
    words += ',';
    words += std::to_string(at.y);
    words += ',';
    words += std::to_string(at.z);
    words += ')';
    return words;
}

constexpr std::size_t kStackBytes = 256 << 10;

}  // namespace

std::string sourceLine(runtime::Where where) {
    std::string file = where.file;
    for (const char* root : {"/gpu/kernels/", "/gpu/simt/", "/tests/unit/"}) {
        if (const std::size_t at = file.rfind(root); at != std::string::npos) {
            file.erase(0, at + 1);
            break;
        }
    }
    return file + ":" + std::to_string(where.line);
}

Worker& Worker::current() {
    return *theWorker;
}

Worker::Worker(LaunchState& launch)
    : launch_(launch),
      threads_(launch.block.x * launch.block.y * launch.block.z),
      lanes_(threads_),
      warps_((threads_ + 31) / 32),
      memory_(launch) {
    stacks_ = std::make_unique<FiberStacks>(threads_, kStackBytes);
    for (unsigned i = 0; i < threads_; ++i) {
        Lane& lane = lanes_[i];
        lane.at = {i % launch.block.x,
                   i / launch.block.x % launch.block.y,
                   i / (launch.block.x * launch.block.y)};
        stacks_->give(i, lane.context);
        launch.fibers->make(lane.context, fiberMain);
    }
    traffic_.prepare(static_cast<unsigned>(warps_.size()), launch.cache);
    if (launch.checked) {
        for (const auto& region : launch.regions) {
            globalShadows_.emplace_back(region->writable ? region->bytes / region->granule + 1 : 0);
        }
    }
}

Worker::~Worker() {
    releaseFibers();
}

void Worker::releaseFibers() {
    for (Lane& lane : lanes_) {
        forgetFiber(lane.context);
    }
}

bool Worker::runBlock(std::uint64_t number) {
    const Dim3& grid = launch_.grid;
    theWorker = this;
    blockNumber_ = static_cast<std::uint32_t>(number) + 1;
    random_ = randomBits(launch_.options->seed, number);
    runtime::place.block = {static_cast<unsigned>(number % grid.x),
                            static_cast<unsigned>(number / grid.x % grid.y),
                            static_cast<unsigned>(number / grid.x / grid.y)};
    runtime::place.blockSize = {launch_.block.x, launch_.block.y, launch_.block.z};
    runtime::place.gridSize = {grid.x, grid.y, grid.z};
    runtime::arithmetic = {};
    ++epoch_;
    stamp_ = epoch_;
    alive_ = threads_;
    waiting_ = 0;
    barrierAt_ = {};
    memory_.startBlock(stamp_);
    for (std::size_t w = 0; w < warps_.size(); ++w) {
        const std::size_t count = std::min<std::size_t>(32, threads_ - w * 32);
        Warp& warp = warps_[w];
        warp.alive = count == 32 ? 0xFFFFFFFFU : (1U << count) - 1U;
        warp.ready = warp.alive;
        warp.arrived = 0;
        ++warp.epoch;
    }
    for (Lane& lane : lanes_) {
        lane.state = State::Ready;
        lane.copies.clear();
    }
    current_ = kNone;
    jump(launch_.options->schedule == Schedule::Random    ? pickRandom()
         : launch_.options->schedule == Schedule::Reverse ? threads_ - 1
                                                          : 0);
    if (launch_.checked) {
        for (unsigned w = 0; w < warps_.size(); ++w) {
            traffic_.fold(w);
        }
        if (launch_.cache != nullptr) {
            traffic_.settle();
        }
        arithmetic_.flops += runtime::arithmetic.flops;
        arithmetic_.integerOps += runtime::arithmetic.integerOps;
        arithmetic_.exponentials += runtime::arithmetic.exponentials;
    }
    theWorker = nullptr;
    return error_.empty();
}

void Worker::fiberMain() {
    arriveOnFiber(theWorker->main_);
    while (true) {
        theWorker->runThread();
        theWorker->leave();
    }
}

void Worker::runThread() {
    if (!error_.empty()) {
        return;
    }
    try {
        launch_.body();
    } catch (const runtime::Fault& fault) {
        recordFault(fault.what());
    } catch (const Unwind&) {
        // Another thread of the block recorded what was wrong.
    } catch (const std::exception& error) {
        recordFault(error.what());
    }
}

void Worker::leave() {
    const unsigned me = current_;
    const unsigned w = me / 32;
    setState(me, State::Done);
    warps_[w].alive &= ~(1U << (me % 32));
    --alive_;
    if (error_.empty()) {
        if (alive_ != 0 && waiting_ == alive_) {
            remark("threads left the kernel while others waited at __syncthreads (" +
                   sourceLine(barrierAt_) + ")");
            releaseBarrier();
        }
        const Warp& warp = warps_[w];
        if (warp.arrived != 0 &&
            (warp.arrived & warp.wanted & warp.alive) == (warp.wanted & warp.alive)) {
            finishCollective(w);
        }
    }
    if (alive_ == 0) {
        jump(kNone);
        return;
    }
    unsigned next = pick();
    if (next == kNone) {
        recordDeadlock();
        next = pick();
    }
    jump(next);
}

void Worker::jump(unsigned to) {
    FiberContext& from = current_ == kNone ? main_ : lanes_[current_].context;
    current_ = to;
    if (to == kNone) {
        switchFiber(*launch_.fibers, from, main_);
        return;
    }
    runtime::place.thread = lanes_[to].at;
    runtime::place.lane = to % 32;
    switchFiber(*launch_.fibers, from, lanes_[to].context);
}

std::uint64_t Worker::nextRandom() {
    random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return random_ >> 33;
}

unsigned Worker::pickRandom() {
    const auto count = static_cast<unsigned>(warps_.size());
    const auto start = static_cast<unsigned>(nextRandom() % count);
    for (unsigned i = 0; i < count; ++i) {
        const unsigned w = (start + i) % count;
        std::uint32_t ready = warps_[w].ready;
        if (ready == 0) {
            continue;
        }
        for (auto skip = nextRandom() % static_cast<unsigned>(std::popcount(ready)); skip != 0;
             --skip) {
            ready &= ready - 1;
        }
        return w * 32 + static_cast<unsigned>(std::countr_zero(ready));
    }
    return kNone;
}

unsigned Worker::pick() {
    if (launch_.options->schedule == Schedule::Random) {
        return pickRandom();
    }
    const bool reverse = launch_.options->schedule == Schedule::Reverse;
    const auto count = static_cast<unsigned>(warps_.size());
    const unsigned own = current_ / 32;
    for (unsigned i = 0; i < count; ++i) {
        const unsigned w = reverse ? (own + count - i) % count : (own + i) % count;
        std::uint32_t ready = warps_[w].ready;
        if (ready == 0) {
            continue;
        }
        if (reverse) {
            return w * 32 + 31 - static_cast<unsigned>(std::countl_zero(ready));
        }
        if (w == own) {  // the lanes after this one first
            const std::uint32_t later = ready & ~((2U << (current_ % 32)) - 1U);
            ready = later != 0 ? later : ready;
        }
        return w * 32 + static_cast<unsigned>(std::countr_zero(ready));
    }
    return kNone;
}

void Worker::setState(unsigned lane, State state) {
    lanes_[lane].state = state;
    std::uint32_t& ready = warps_[lane / 32].ready;
    const std::uint32_t bit = 1U << (lane % 32);
    ready = state == State::Ready ? ready | bit : ready & ~bit;
}

void Worker::reschedule() {
    const unsigned me = current_;
    unsigned next = pick();
    if (next == kNone) {
        recordDeadlock();
        throw Unwind{};
    }
    if (next != me) {
        jump(next);
    }
    if (!error_.empty()) {
        throw Unwind{};
    }
}

void Worker::barrier(runtime::Where where) {
    if (!error_.empty()) {
        throw Unwind{};
    }
    if (waiting_ == 0) {
        barrierAt_ = where;
    } else if (launch_.checked &&
               (barrierAt_.line != where.line || barrierAt_.file != where.file)) {
        fail("__syncthreads reached while other threads wait at the one of " +
                 sourceLine(barrierAt_),
             where);
    }
    setState(current_, State::AtBarrier);
    if (++waiting_ < alive_) {
        reschedule();
        return;
    }
    releaseBarrier();
    reschedule();
}

void Worker::releaseBarrier() {
    waiting_ = 0;
    ++epoch_;
    ++barriers_;
    for (unsigned w = 0; w < warps_.size(); ++w) {
        warps_[w].ready = warps_[w].alive;
        if (launch_.checked) {
            traffic_.fold(w);
        }
    }
    if (launch_.cache != nullptr) {
        traffic_.settle();
    }
    for (Lane& lane : lanes_) {
        if (lane.state == State::AtBarrier) {
            lane.state = State::Ready;
        }
    }
}

void Worker::collective(std::uint32_t mask,
                        void* argument,
                        runtime::WarpOperation operation,
                        runtime::Where where) {
    if (!error_.empty()) {
        throw Unwind{};
    }
    const unsigned w = current_ / 32;
    const std::uint32_t bit = 1U << (current_ % 32);
    Warp& warp = warps_[w];
    if ((mask & bit) == 0) {
        fail("a warp operation's mask does not hold the calling lane", where);
    }
    if (warp.arrived == 0) {
        warp.wanted = mask;
        warp.operation = operation;
        warp.where = where;
    } else if (warp.wanted != mask || warp.operation != operation) {
        fail("lanes of one warp at different warp operations or masks: others wait at " +
                 sourceLine(warp.where),
             where);
    }
    warp.arrived |= bit;
    lanes_[current_].argument = argument;
    setState(current_, State::AtCollective);
    const std::uint32_t needed = warp.wanted & warp.alive;
    if ((warp.arrived & needed) != needed) {
        reschedule();
        return;
    }
    finishCollective(w);
    if (!error_.empty()) {
        throw Unwind{};
    }
    // The last lane to arrive goes on; the others follow as they are picked.
}

void Worker::finishCollective(unsigned w) {
    Warp& warp = warps_[w];
    const std::uint32_t taking = warp.wanted & warp.alive;
    void* arguments[32] = {};
    for (std::uint32_t lanes = taking; lanes != 0; lanes &= lanes - 1) {
        const unsigned lane = w * 32 + static_cast<unsigned>(std::countr_zero(lanes));
        arguments[lane % 32] = lanes_[lane].argument;
        setState(lane, State::Ready);
    }
    warp.arrived = 0;
    if (launch_.checked) {
        traffic_.fold(w);
    }
    if (warp.operation == nullptr) {
        ++warp.epoch;  // only __syncwarp orders memory; shuffles and mma do not
        return;
    }
    try {
        warp.operation(arguments, taking);
    } catch (const runtime::Fault& fault) {
        recordFault(fault.what() + " at " + whereabouts(warp.where));
    }
}

void Worker::recordFault(const std::string& what) {
    if (error_.empty()) {
        error_ = what;
    }
    for (unsigned i = 0; i < threads_; ++i) {
        if (lanes_[i].state != State::Done) {
            setState(i, State::Ready);
        }
    }
}

void Worker::recordDeadlock() {
    unsigned atBarrier = 0;
    unsigned atCollective = 0;
    unsigned left = 0;
    std::string where;
    for (const Lane& lane : lanes_) {
        atBarrier += lane.state == State::AtBarrier ? 1U : 0U;
        atCollective += lane.state == State::AtCollective ? 1U : 0U;
        left += lane.state == State::Done ? 1U : 0U;
    }
    if (atBarrier != 0) {
        where += ", __syncthreads at " + sourceLine(barrierAt_);
    }
    for (const Warp& warp : warps_) {
        if (warp.arrived != 0) {
            where += ", warp operation at " + sourceLine(warp.where);
            break;
        }
    }
    recordFault("deadlock in block " + text(runtime::place.block) + ": " +
                std::to_string(atBarrier) + " threads wait at __syncthreads, " +
                std::to_string(atCollective) + " at a warp operation, " + std::to_string(left) +
                " have left" + where);
}

void Worker::remark(std::string what) {
    for (const std::string& known : remarks_) {
        if (known == what) {
            return;
        }
    }
    remarks_.push_back(std::move(what));
}

std::string Worker::whereabouts(runtime::Where where) const {
    return sourceLine(where) + ", block " + text(runtime::place.block) + ", thread " +
           text(runtime::place.thread);
}

void Worker::fail(const std::string& what, runtime::Where where) const {
    throw runtime::Fault(what + " at " + whereabouts(where));
}

}  // namespace loupe::gpu::simt
