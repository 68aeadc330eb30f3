// SPDX-License-Identifier: Apache-2.0
// From a tensor of the stored view to what shows it in the logical one, and back.
#include "core/io/packed/packed.hpp"
#include "tests/unit/io/io_support.hpp"

using namespace loupe;
using namespace loupe::test;
namespace fs = std::filesystem;

namespace {

class Listed final : public TensorSource {
public:
    explicit Listed(std::vector<TensorInfo> tensors) { tensors_ = std::move(tensors); }
    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t /*index*/) const override {
        return fail(ErrorCode::Unsupported, "a list only");
    }
};

TensorInfo listed(const std::string& name,
                  std::uint64_t offset,
                  std::uint64_t bytes,
                  int file = 0) {
    TensorInfo tensor;
    tensor.name = name;
    tensor.offset = offset;
    tensor.bytes = bytes;
    tensor.file = file;
    return tensor;
}

std::string nameIn(const TensorSource& source, const TensorInfo& from) {
    const auto found = findCounterpart(source, from);
    return found ? source.tensors()[*found].name : std::string("none");
}

}  // namespace

TEST_CASE("every stored tensor of a packed checkpoint has a logical one, and the other way round") {
    std::size_t looked = 0;
    for (const char* scheme : {"gptq",
                               "awq",
                               "bnb_4bit",
                               "bnb_int8",
                               "compressed_int",
                               "nvfp4",
                               "fp8",
                               "gpt_oss",
                               "mlx",
                               "marlin",
                               "sparse",
                               "modelopt_int4"}) {
        for (const auto& entry : fs::directory_iterator(goldenDir() / "io" / "packed" / scheme)) {
            if (!entry.is_directory()) {
                continue;
            }
            CAPTURE(entry.path().string());
            const auto opened = openSource(entry.path().string());
            REQUIRE(opened.has_value());
            const auto stored = (*opened)->stored();
            REQUIRE(stored != nullptr);
            for (const TensorInfo& from : stored->tensors()) {
                CAPTURE(from.name);
                const auto found = findCounterpart(**opened, from);
                REQUIRE(found.has_value());
                const TensorInfo& to = (*opened)->tensors()[*found];
                ++looked;
                if (to.packed == nullptr) {
                    CHECK(to.name == from.name);
                    CHECK(to.offset == from.offset);
                    continue;
                }
                CHECK(std::find(to.packed->parts.begin(), to.packed->parts.end(), from.name) !=
                      to.packed->parts.end());
            }
            for (const TensorInfo& from : (*opened)->tensors()) {
                CAPTURE(from.name);
                const auto found = findCounterpart(*stored, from);
                REQUIRE(found.has_value());
                CHECK(stored->tensors()[*found].offset == from.offset);
            }
        }
    }
    CHECK(looked > 200);
}

TEST_CASE("names that changed hands: the tensor whose bytes they are") {
    TensorInfo packed = listed("x", 100, 60);
    auto info = std::make_shared<PackedInfo>();
    info->parts = {"x_quantized", "x_scale"};
    packed.packed = info;
    const Listed logical({packed, listed("x (2)", 400, 40), listed("y", 500, 8)});
    const Listed stored({listed("x_quantized", 100, 50),
                         listed("x_scale", 200, 10),
                         listed("x", 400, 40),
                         listed("y", 500, 8)});
    CHECK(nameIn(logical, stored.tensors()[2]) == "x (2)");  // not the weights of that name
    CHECK(nameIn(stored, logical.tensors()[1]) == "x");
    CHECK(nameIn(logical, stored.tensors()[0]) == "x");
    CHECK(nameIn(logical, stored.tensors()[1]) == "x");
    CHECK(nameIn(stored, logical.tensors()[0]) == "x_quantized");
    CHECK(nameIn(logical, stored.tensors()[3]) == "y");
    // A slice of a tensor's bytes belongs to it; another file's bytes do not.
    CHECK(nameIn(logical, listed("gone", 408, 4)) == "x (2)");
    CHECK(nameIn(logical, listed("gone", 408, 4, 1)) == "none");
    CHECK(nameIn(logical, listed("gone", 438, 4)) == "none");
    CHECK(nameIn(logical, listed("gone", 408, 0)) == "none");
    TensorInfo compressed = listed("y", 0, 8);
    compressed.offset.reset();
    CHECK(nameIn(logical, compressed) == "y");
}

TEST_CASE("onnx: stored tensors keep their names beside dequantized ones") {
    const auto logical =
        openSource((goldenDir() / "io" / "onnx" / "quantized_typed.onnx").string());
    REQUIRE(logical.has_value());
    const auto stored = (*logical)->stored();
    REQUIRE(stored != nullptr);
    for (const TensorInfo& from : stored->tensors()) {
        CAPTURE(from.name);
        const auto found = findCounterpart(**logical, from);
        REQUIRE(found.has_value());
        const TensorInfo& to = (*logical)->tensors()[*found];
        if (to.packed == nullptr) {
            CHECK(to.name == from.name);
            CHECK(to.parameters == from.parameters);
        }
    }
    // "taken" is a stored tensor of its own; the weights of taken_quantized would have its name.
    const auto taken = (*logical)->find("taken");
    REQUIRE(taken.has_value());
    CHECK((*logical)->tensors()[*taken].packed == nullptr);
    const auto other = (*logical)->find("taken (2)");
    REQUIRE(other.has_value());
    REQUIRE((*logical)->tensors()[*other].packed != nullptr);
    CHECK((*logical)->tensors()[*other].packed->parts.front() == "taken_quantized");
}
