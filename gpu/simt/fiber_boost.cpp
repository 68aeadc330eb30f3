// SPDX-License-Identifier: Apache-2.0
// The portable switch: Boost.Context, where the build found it.
#include "gpu/simt/fiber.hpp"

#if defined(LOUPE_BOOST_CONTEXT)

#include <boost/context/detail/fcontext.hpp>

namespace loupe::gpu::simt {

namespace {

using boost::context::detail::transfer_t;

/// What the one who jumps hands over; it lies on that stack, which stands still meanwhile.
struct Handover {
    FiberContext* from = nullptr;
    FiberContext* to = nullptr;
};

FiberContext& arrive(transfer_t transfer) {
    const Handover& handover = *static_cast<Handover*>(transfer.data);
    handover.from->handle = transfer.fctx;
    return *handover.to;
}

void enter(transfer_t transfer) {
    arrive(transfer).entry();
}

void makeBoost(FiberContext& context, void (*entry)()) {
    auto* top = static_cast<char*>(context.stackBottom) + context.stackBytes;
    context.handle = boost::context::detail::make_fcontext(top, context.stackBytes, enter);
    context.entry = entry;
}

void jumpBoost(FiberContext& from, FiberContext& to) {
    Handover handover{&from, &to};
    arrive(boost::context::detail::jump_fcontext(to.handle, &handover));
}

constexpr FiberSwitch kBoost{makeBoost, jumpBoost};

}  // namespace

const FiberSwitch* boostFiberSwitch() {
    return &kBoost;
}

}  // namespace loupe::gpu::simt

#else

namespace loupe::gpu::simt {

const FiberSwitch* boostFiberSwitch() {
    return nullptr;
}

}  // namespace loupe::gpu::simt

#endif
