// SPDX-License-Identifier: Apache-2.0
// What kernel-side names call: threads and their meeting points, memory that is looked at, counts.
// Compiled once; the fast and the checked build of the kernels both use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace loupe::gpu::simt::runtime {

struct Coordinates {
    unsigned x = 0;
    unsigned y = 0;
    unsigned z = 0;
};

/// Of the running CUDA thread. Fibers stay on their thread, so that its address may be cached.
struct Place {
    Coordinates thread;
    Coordinates block;
    Coordinates blockSize;
    Coordinates gridSize;
    unsigned lane = 0;  ///< in the warp
};
extern constinit thread_local Place place;

/// Arithmetic that names of simt:: did; added up in checked builds.
struct Arithmetic {
    std::uint64_t flops = 0;
    std::uint64_t integerOps = 0;
    std::uint64_t exponentials = 0;
};
extern constinit thread_local Arithmetic arithmetic;

/// A line of a kernel's source.
struct Where {
    const char* file = "";
    unsigned line = 0;
    [[nodiscard]] static constexpr Where here(const char* file = __builtin_FILE(),
                                              unsigned line = __builtin_LINE()) {
        return {file, line};
    }
};

/// Thrown through a kernel when something is wrong; ends its block.
class Fault {
public:
    explicit Fault(std::string what) : what_(std::move(what)) {}
    [[nodiscard]] const std::string& what() const { return what_; }

private:
    std::string what_;
};

/// Ends the launch with a message: what is wrong, file:line, block, thread.
[[noreturn]] void fail(const std::string& what, Where where);

// --- threads ---
void barrier(Where where);
/// An operation of a whole warp: called once, by the last lane that arrives, with the argument of
/// every lane of the mask (null for others).
using WarpOperation = void (*)(void* const* arguments, std::uint32_t lanes);
void collective(std::uint32_t mask, void* argument, WarpOperation operation, Where where);
/// __syncwarp: also orders memory within the warp.
void syncWarp(std::uint32_t mask, Where where);
/// The lanes of the running warp that have not left.
[[nodiscard]] std::uint32_t activeLanes();

// --- global memory ---
/// One allocation as a launch sees it.
struct Region {
    std::byte* begin = nullptr;
    std::size_t bytes = 0;
    std::uint64_t base = 0;  ///< its address on the imagined device: stable from launch to launch
    bool writable = false;   ///< some pointer argument to non-const lies in it
    unsigned granule = 4;    ///< bytes a cell of its shadow stands for
    int index = 0;
};

/// Which allocation a pointer argument lies in.
class Memory {
public:
    Memory() = default;
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    virtual ~Memory() = default;
    /// Throws Fault where the address lies in none; null stays null.
    virtual const Region* find(const void* address,
                               int argument,
                               std::size_t elementBytes,
                               bool writable) = 0;
};

/// Checks bounds, alignment to `bytes` and races of one access by the running thread, and logs it.
void readGlobal(const Region* region, const void* address, std::size_t bytes, Where where);
void writeGlobal(const Region* region, const void* address, std::size_t bytes, Where where);
/// Read-modify-write that no other thread can cut into.
void updateGlobal(const Region* region, const void* address, std::size_t bytes, Where where);

// --- shared memory ---
/// An array of shared memory as one block has it.
struct SharedArray {
    const char* name = "";
    std::byte* begin = nullptr;
    int rows = 0;
    int cols = 0;
    unsigned elementBytes = 0;
    int region = -1;            ///< whose shadow holds its cells
    std::size_t offset = 0;     ///< of its first byte in that region
    const void* tag = nullptr;  ///< the declaration
};
/// The array that the declaration `tag` stands for; every thread of a block gets the same.
[[nodiscard]] const SharedArray* fixedArray(
    const void* tag, const char* name, int rows, int cols, unsigned elementBytes, Where where);
[[nodiscard]] const SharedArray* dynamicArray(const void* tag,
                                              const char* name,
                                              int rows,
                                              int cols,
                                              unsigned elementBytes,
                                              std::size_t offset,
                                              Where where);
/// Checks that `bytes` from element (row, col) lie in that row and are aligned to `bytes`.
[[nodiscard]] std::byte* sharedAddress(
    const SharedArray& array, int row, int col, std::size_t bytes, Where where);
/// Checks races and never-written elements of one access by the running thread, and logs it.
void readShared(const SharedArray& array, const std::byte* address, std::size_t bytes, Where where);
void writeShared(const SharedArray& array,
                 const std::byte* address,
                 std::size_t bytes,
                 Where where);

// --- cp.async, checked: the copy happens when its thread waits for its group ---
/// `valid` bytes are copied, the rest of the 16 becomes 0.
void copyAsync(const SharedArray& array,
               std::byte* to,
               const Region* region,
               const void* from,
               std::size_t valid,
               Where where);
void commitCopies();
void waitForCopies(int groupsInFlight);

}  // namespace loupe::gpu::simt::runtime

namespace loupe::gpu::simt {

/// One kernel that can be launched: its name, its most threads a block, and how its arguments are
/// bound.
struct Entry {
    const char* name = "";
    unsigned mostThreads = 0;
    bool checked = false;
    int arguments = 0;
    std::function<void()> (*bind)(void* const* arguments, runtime::Memory& memory) = nullptr;
};

}  // namespace loupe::gpu::simt
