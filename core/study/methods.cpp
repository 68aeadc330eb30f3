// SPDX-License-Identifier: Apache-2.0
#include "core/study/methods.hpp"

#include "core/io/synthetic.hpp"
#include "core/scheme/step.hpp"

#include <algorithm>

namespace loupe {

namespace {

constexpr std::string_view kScheme = "synthetic:";

constexpr Method kMethods[] = {
    {"absmax",
     "Absmax",
     MethodGroup::Uniform,
     "absmax",
     "synthetic:V",
     "",
     "symmetric integers",
     "Which weight decides the scale, and what do the small weights pay for it?"},
    {"zeropoint",
     "Zero-point",
     MethodGroup::Uniform,
     "zeropoint",
     "synthetic:V",
     "toy-shifted",
     "asymmetric integers",
     "Does shifting the grid help a vector that is almost symmetric?"},
    {"zeropoint4",
     "Zero-point at 4 bits",
     MethodGroup::Uniform,
     "zeropoint:bits=4",
     "synthetic:V",
     "toy-shifted",
     "smaller steps, larger error",
     "Why is the asymmetric grid worse on this vector although its steps are smaller?"},
    {"power",
     "Absmax by 128",
     MethodGroup::Uniform,
     "absmax:range=power",
     "synthetic:V",
     "",
     "the scale of the slides",
     "What becomes of the largest weight when 128 steps stand for it, and 127 is the last code?"},
    {"clipping",
     "Clipping",
     MethodGroup::Uniform,
     "absmax:bits=3,clip=mse",
     "synthetic:V",
     "",
     "search for the bound",
     "When is it better to clip the largest weight than to keep it?"},
    {"vectorwise",
     "Vector-wise",
     MethodGroup::Uniform,
     "absmax:bits=8,per=row,act_bits=8",
     "synthetic:F1",
     "toy-matmul",
     "int8 matrix product",
     "Where do the scales of rows and tokens go in an integer matrix product?"},
    {"hqq",
     "HQQ",
     MethodGroup::Uniform,
     "hqq:bits=4,group=16",
     "synthetic:F1",
     "toy-hqq",
     "half-quadratic fit",
     "How far can moving the zero point alone bring the error down?"},
    {"codebook",
     "Codebook",
     MethodGroup::Uniform,
     "codebook:bits=2",
     "synthetic:toy-kmeans",
     "toy-kmeans",
     "k-means",
     "Where do the levels settle when the weights choose them?"},
    {"nf4",
     "NF4",
     MethodGroup::Uniform,
     "nf4",
     "synthetic:toy-nf4",
     "toy-nf4",
     "normal quantiles",
     "Why are the levels closer together near zero?"},
    {"fp4",
     "FP4",
     MethodGroup::Uniform,
     "fp4",
     "synthetic:F1",
     "",
     "four-bit floats",
     "Which weights does a floating-point grid serve better than an even one?"},
    {"cast",
     "Number format",
     MethodGroup::Uniform,
     "cast:format=fp8_e4m3",
     "synthetic:V",
     "",
     "nearest value of a format",
     "Which weights does the format keep exactly, and where are its gaps widest?"},
    {"ggml",
     "ggml block",
     MethodGroup::Uniform,
     "ggml:type=q4_k",
     "synthetic:student?rows=4&cols=256",
     "",
     "blocks of GGUF files",
     "Why is the scale that the largest weight asks for not the one that is taken?"},
    {"ternary",
     "Ternary",
     MethodGroup::Uniform,
     "ternary",
     "synthetic:F1",
     "",
     "three values",
     "Which weights are worth a sign, and which become zero?"},
    {"binary",
     "Binary",
     MethodGroup::Uniform,
     "binary",
     "synthetic:F1",
     "",
     "signs and one scale",
     "Why is the mean of the magnitudes the best scale for signs?"},
    {"llm_int8",
     "LLM.int8()",
     MethodGroup::WithActivations,
     "llm_int8",
     "synthetic:F1",
     "toy-int8",
     "outliers apart",
     "What is left for the integers once the outlier channels are taken out?"},
    {"smoothquant",
     "SmoothQuant",
     MethodGroup::WithActivations,
     "smoothquant",
     "synthetic:F1",
     "toy-smoothquant",
     "migration of scale",
     "Which way does the difficulty move, and how much of it should?"},
    {"awq",
     "AWQ",
     MethodGroup::WithActivations,
     "awq:bits=4,group=16",
     "synthetic:F1",
     "",
     "scale search",
     "How much should the channels that matter be stretched before rounding?"},
    {"obs",
     "OBS",
     MethodGroup::WithHessian,
     "obs",
     "synthetic:toy-obs",
     "toy-obs",
     "prune and repair",
     "How do the other weights make up for the one that is removed?"},
    {"gptq",
     "GPTQ",
     MethodGroup::WithHessian,
     "gptq:bits=4,per=row",
     "synthetic:F1",
     "toy-gptq",
     "column sweep",
     "Why is the output better although the weights are further from the original?"},
    {"random",
     "Random",
     MethodGroup::Pruning,
     "random",
     "synthetic:F1",
     "",
     "by lot",
     "What does removing weights cost when nobody chooses?"},
    {"magnitude",
     "Magnitude",
     MethodGroup::Pruning,
     "magnitude",
     "synthetic:F1",
     "",
     "smallest first",
     "Is a small weight an unimportant weight?"},
    {"gradient",
     "Gradient",
     MethodGroup::Pruning,
     "gradient",
     "synthetic:toy-gradient",
     "toy-gradient",
     "|w·g|",
     "Which weights does the loss not lean on?"},
    {"obd",
     "OBD",
     MethodGroup::Pruning,
     "obd",
     "synthetic:F1",
     "",
     "diagonal of the Hessian",
     "What does the curvature know that the magnitude does not?"},
    {"wanda",
     "Wanda",
     MethodGroup::Pruning,
     "wanda",
     "synthetic:F1",
     "toy-wanda",
     "magnitude times input norm",
     "Which small weights are kept because their input is large?"},
    {"sparsegpt",
     "SparseGPT",
     MethodGroup::Pruning,
     "sparsegpt",
     "synthetic:F1",
     "toy-gptq",
     "mask and update",
     "What do the remaining weights take over from those that go?"},
    {"nm",
     "N:M pattern",
     MethodGroup::Pruning,
     "magnitude:pattern=2:4",
     "synthetic:F1",
     "",
     "two of four",
     "What does the fixed pattern force us to remove or to keep?"},
    {"structured",
     "Channels",
     MethodGroup::Pruning,
     "structured",
     "synthetic:F1",
     "",
     "whole rows or columns",
     "What is lost when a whole channel goes, and what is won?"},
    {"rotate",
     "Hadamard rotation",
     MethodGroup::Rotation,
     "rotate",
     "synthetic:toy-hadamard",
     "toy-hadamard",
     "spreads outliers",
     "Where does an outlier go when the basis is turned?"},
};

bool isPlayable(const Method& method) {
    const Result<Scheme> scheme = parseScheme(method.scheme);
    if (!scheme || scheme->empty()) {
        return false;
    }
    const StepDefinition* last = findStep(scheme->steps.back().name);
    return last != nullptr && last->trace != nullptr;
}

/// "toy-obs" of "synthetic:toy-obs?x=1".
std::string_view generatorOf(std::string_view path) {
    path.remove_prefix(std::min(path.size(), kScheme.size()));
    return path.substr(0, path.find('?'));
}

bool canMake(std::string_view path) {
    const std::span<const Generator> all = allGenerators();
    return std::any_of(all.begin(), all.end(), [&](const Generator& generator) {
        return generator.id == generatorOf(path);
    });
}

}  // namespace

std::string_view groupTitle(MethodGroup group) {
    switch (group) {
        case MethodGroup::Uniform:
            return "Uniform and codebooks";
        case MethodGroup::WithActivations:
            return "With activations";
        case MethodGroup::WithHessian:
            return "With the Hessian";
        case MethodGroup::Pruning:
            return "Pruning";
        case MethodGroup::Rotation:
            return "Rotation";
    }
    return {};
}

std::span<const Method> playableMethods() {
    static const std::vector<Method> methods = [] {
        std::vector<Method> playable;
        for (const Method& method : kMethods) {
            if (isPlayable(method)) {
                playable.push_back(method);
            }
        }
        return playable;
    }();
    return methods;
}

const Method* findMethod(std::string_view id) {
    const std::span<const Method> methods = playableMethods();
    const auto found = std::find_if(
        methods.begin(), methods.end(), [id](const Method& method) { return method.id == id; });
    return found == methods.end() ? nullptr : &*found;
}

const Method* methodFor(const Scheme& scheme) {
    if (scheme.empty()) {
        return nullptr;
    }
    const Step& last = scheme.steps.back();
    const Method* best = nullptr;
    std::size_t most = 0;
    for (const Method& method : playableMethods()) {
        const Step step = parseScheme(method.scheme)->steps.back();
        if (step.name != last.name) {
            continue;
        }
        if (best == nullptr) {
            best = &method;  // the plain one comes first
        }
        std::size_t own = 0;
        bool about = true;
        for (const char* key : {"clip", "act_bits", "pattern", "range"}) {
            if (step.values.count(key) != 0) {
                ++own;
                about = about && last.values.count(key) != 0;
            }
        }
        if (about && own > most) {
            best = &method;
            most = own;
        }
    }
    return best;
}

std::vector<std::string> sourcesFor(const Method& method) {
    std::vector<std::string> sources;
    const auto add = [&](std::string path) {
        if (canMake(path) && std::find(sources.begin(), sources.end(), path) == sources.end()) {
            sources.push_back(std::move(path));
        }
    };
    add(std::string(method.source));
    if (!method.toy.empty()) {
        std::string path(kScheme);
        path += method.toy;
        add(std::move(path));
    }
    for (const char* fixture : {"synthetic:F1", "synthetic:V", "synthetic:V256", "synthetic:M"}) {
        add(fixture);
    }
    return sources;
}

}  // namespace loupe
