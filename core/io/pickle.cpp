// SPDX-License-Identifier: Apache-2.0
#include "core/io/pickle.hpp"

#include <array>
#include <bit>
#include <optional>
#include <unordered_map>

namespace loupe {

namespace {

constexpr std::size_t kMostNodes = std::size_t{1} << 23;

/// Opcodes that are interpreted; Python's own names.
enum Op : unsigned char {
    kMark = '(',
    kStop = '.',
    kPop = '0',
    kPopMark = '1',
    kDup = '2',
    kBinInt = 'J',
    kBinInt1 = 'K',
    kBinInt2 = 'M',
    kNone = 'N',
    kBinPersid = 'Q',
    kReduce = 'R',
    kBinString = 'T',
    kShortBinString = 'U',
    kBinUnicode = 'X',
    kAppend = 'a',
    kBuild = 'b',
    kGlobal = 'c',
    kAppends = 'e',
    kBinGet = 'h',
    kLongBinGet = 'j',
    kBinPut = 'q',
    kLongBinPut = 'r',
    kSetItem = 's',
    kTuple = 't',
    kSetItems = 'u',
    kEmptyList = ']',
    kEmptyDict = '}',
    kEmptyTuple = ')',
    kBinFloat = 'G',
    kBinBytes = 'B',
    kShortBinBytes = 'C',
    kProto = 0x80,
    kNewObj = 0x81,
    kTuple1 = 0x85,
    kTuple2 = 0x86,
    kTuple3 = 0x87,
    kNewTrue = 0x88,
    kNewFalse = 0x89,
    kLong1 = 0x8A,
    kLong4 = 0x8B,
    kShortBinUnicode = 0x8C,
    kBinUnicode8 = 0x8D,
    kBinBytes8 = 0x8E,
    kEmptySet = 0x8F,
    kAddItems = 0x90,
    kFrozenSet = 0x91,
    kStackGlobal = 0x93,
    kMemoize = 0x94,
    kFrame = 0x95,
    kByteArray8 = 0x96,
};

/// Opcodes that Python knows and that are refused, for messages.
std::string_view refusedName(unsigned char op) {
    switch (op) {
        case 'i':
            return "INST";
        case 'o':
            return "OBJ";
        case 'P':
            return "PERSID";
        case 'I':
            return "INT";
        case 'L':
            return "LONG";
        case 'F':
            return "FLOAT";
        case 'S':
            return "STRING";
        case 'V':
            return "UNICODE";
        case 'd':
            return "DICT";
        case 'l':
            return "LIST";
        case 'g':
            return "GET";
        case 'p':
            return "PUT";
        case 0x82:
            return "EXT1";
        case 0x83:
            return "EXT2";
        case 0x84:
            return "EXT4";
        case 0x92:
            return "NEWOBJ_EX";
        case 0x97:
            return "NEXT_BUFFER";
        case 0x98:
            return "READONLY_BUFFER";
        default:
            return {};
    }
}

class Interpreter {
public:
    Interpreter(std::string_view bytes, const std::function<std::string(std::uint64_t)>& place)
        : bytes_(bytes), place_(place) {}

    Result<Pickle> run() {
        while (!stopped_) {
            start_ = position_;
            if (position_ >= bytes_.size()) {
                return fail(ErrorCode::Damaged,
                            "pickle: expected STOP, found the end after " +
                                std::to_string(bytes_.size()) + " bytes",
                            place_(position_));
            }
            const auto op = static_cast<unsigned char>(bytes_[position_++]);
            const bool known =
                control(op) || scalar(op) || text(op) || container(op) || filling(op) || asked(op);
            if (!known && !error_) {
                refuse(op);
            }
            if (error_) {
                return fail(*std::move(error_));
            }
        }
        pickle_.size = position_;
        return std::move(pickle_);
    }

private:
    void damaged(const std::string& what) {
        if (!error_) {
            error_ = Error{ErrorCode::Damaged, "pickle: " + what, place_(start_), {}};
        }
    }

    void refuse(unsigned char op) {
        const std::string_view name = refusedName(op);
        std::string what = "pickle: expected an opcode of a checkpoint, found ";
        what += name.empty() ? "the byte " + std::to_string(op) : std::string(name);
        if (op == 'i') {
            std::string_view module;
            std::string_view item;
            if (line(module) && line(item)) {
                what += ", which would execute " + std::string(module) + "." + std::string(item);
            }
        } else if (op == 'o') {
            const std::size_t mark = marks_.empty() ? stack_.size() : marks_.back();
            if (mark < stack_.size() && pickle_.nodes[stack_[mark]].kind == PickleKind::Global) {
                what += ", which would execute " + std::string(pickle_.nodes[stack_[mark]].text);
            }
        }
        error_ = Error{ErrorCode::Unsupported, what + "; refused", place_(start_), {}};
    }

    // --- bytes

    bool take(std::uint64_t count, std::string_view& out) {
        if (count > bytes_.size() - position_) {
            damaged("expected " + std::to_string(count) + " bytes, found " +
                    std::to_string(bytes_.size() - position_));
            return false;
        }
        out = bytes_.substr(position_, count);
        position_ += count;
        return true;
    }

    std::uint64_t number(std::uint64_t width) {
        std::string_view raw;
        std::uint64_t value = 0;
        if (take(width, raw)) {
            for (std::size_t i = 0; i < raw.size(); ++i) {
                value |= std::uint64_t{static_cast<unsigned char>(raw[i])} << (8 * i);
            }
        }
        return value;
    }

    bool line(std::string_view& out) {
        constexpr std::size_t kMostName = 4096;
        const std::size_t end = bytes_.substr(position_, kMostName).find('\n');
        if (end == std::string_view::npos) {
            damaged("expected a name of at most 4096 bytes and its end of line, found none");
            return false;
        }
        out = bytes_.substr(position_, end);
        position_ += end + 1;
        return true;
    }

    // --- the stack

    PickleNode* make(PickleKind kind) {
        if (pickle_.nodes.size() == kMostNodes) {
            if (!error_) {
                error_ = Error{ErrorCode::Unsupported,
                               "pickle: expected at most 8388608 objects, found more",
                               place_(start_),
                               {}};
            }
            return nullptr;
        }
        PickleNode& node = pickle_.nodes.emplace_back();
        node.kind = kind;
        node.offset = start_;
        return &node;
    }
    PickleRef last() const { return static_cast<PickleRef>(pickle_.nodes.size() - 1); }

    bool push(PickleKind kind, std::int64_t integer = 0) {
        if (PickleNode* node = make(kind)) {
            node->integer = integer;
            stack_.push_back(last());
        }
        return true;
    }
    bool pushText(PickleKind kind, std::uint64_t length) {
        std::string_view view;
        if (error_ || !take(length, view)) {
            return true;
        }
        if (PickleNode* node = make(kind)) {
            node->text = view;
            stack_.push_back(last());
        }
        return true;
    }
    /// The lowest place of the stack that may be taken: above the last mark.
    [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

    PickleRef pop() {
        if (stack_.size() <= floor()) {
            damaged("expected an object on the stack, found none");
            return kNoPickle;
        }
        const PickleRef top = stack_.back();
        stack_.pop_back();
        return top;
    }
    PickleRef top() {
        if (stack_.size() <= floor()) {
            damaged("expected an object on the stack, found none");
            return kNoPickle;
        }
        return stack_.back();
    }
    /// Everything since the last mark.
    bool popMark(std::vector<PickleRef>& out) {
        if (marks_.empty()) {
            damaged("expected a mark on the stack, found none");
            return false;
        }
        const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        out.assign(begin, stack_.end());
        stack_.erase(begin, stack_.end());
        marks_.pop_back();
        return true;
    }
    bool pushItems(PickleKind kind, std::vector<PickleRef> items) {
        if (PickleNode* node = make(kind)) {
            node->items = std::move(items);
            stack_.push_back(last());
        }
        return true;
    }

    // --- opcodes by kind; each says whether the opcode is its own

    bool control(unsigned char op) {
        switch (op) {
            case kProto: {
                const std::uint64_t version = number(1);
                if (!error_ && (version < 2 || version > 5)) {
                    error_ =
                        Error{ErrorCode::Unsupported,
                              "pickle: expected protocol 2 to 5, found " + std::to_string(version),
                              place_(start_),
                              {}};
                }
                return true;
            }
            case kFrame:
                static_cast<void>(number(8));
                return true;
            case kStop:
                pickle_.root = pop();
                stopped_ = true;
                return true;
            case kMark:
                marks_.push_back(stack_.size());
                return true;
            case kPop:
                if (stack_.size() == floor() && !marks_.empty()) {
                    marks_.pop_back();
                } else {
                    pop();
                }
                return true;
            case kPopMark: {
                std::vector<PickleRef> dropped;
                popMark(dropped);
                return true;
            }
            case kDup:
                if (const PickleRef ref = top(); ref != kNoPickle) {
                    stack_.push_back(ref);
                }
                return true;
            default:
                return memo(op);
        }
    }

    bool memo(unsigned char op) {
        switch (op) {
            case kBinPut:
            case kLongBinPut: {
                const std::uint64_t key = number(op == kBinPut ? 1 : 4);
                if (const PickleRef ref = error_ ? kNoPickle : top(); ref != kNoPickle) {
                    memo_[key] = ref;
                }
                return true;
            }
            case kMemoize:
                if (const PickleRef ref = top(); ref != kNoPickle) {
                    memo_[memo_.size()] = ref;
                }
                return true;
            case kBinGet:
            case kLongBinGet: {
                const std::uint64_t key = number(op == kBinGet ? 1 : 4);
                const auto found = memo_.find(key);
                if (!error_ && found == memo_.end()) {
                    damaged("expected a remembered object, found none under " +
                            std::to_string(key));
                }
                if (!error_) {
                    stack_.push_back(found->second);
                }
                return true;
            }
            default:
                return false;
        }
    }

    bool scalar(unsigned char op) {
        switch (op) {
            case kNone:
                return push(PickleKind::None);
            case kNewTrue:
            case kNewFalse:
                return push(PickleKind::Bool, op == kNewTrue ? 1 : 0);
            case kBinInt:
                return push(PickleKind::Int,
                            static_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))));
            case kBinInt1:
                return push(PickleKind::Int, static_cast<std::int64_t>(number(1)));
            case kBinInt2:
                return push(PickleKind::Int, static_cast<std::int64_t>(number(2)));
            case kLong1:
                return integer(number(1));
            case kLong4:
                return integer(number(4));
            case kBinFloat: {
                std::string_view raw;
                std::uint64_t bits = 0;
                if (take(8, raw)) {
                    for (const char c : raw) {  // big-endian, unlike everything else
                        bits = bits << 8U | static_cast<unsigned char>(c);
                    }
                }
                if (PickleNode* node = make(PickleKind::Float)) {
                    node->real = std::bit_cast<double>(bits);
                    stack_.push_back(last());
                }
                return true;
            }
            default:
                return false;
        }
    }

    /// A long of so many bytes, two's complement.
    bool integer(std::uint64_t length) {
        std::string_view raw;
        if (error_ || !take(length, raw)) {
            return true;
        }
        std::uint64_t value =
            !raw.empty() && static_cast<unsigned char>(raw.back()) >= 0x80 ? ~std::uint64_t{0} : 0;
        if (raw.size() > 8) {
            if (PickleNode* node = make(PickleKind::BigInt)) {
                node->text = raw;
                stack_.push_back(last());
            }
            return true;
        }
        for (std::size_t i = raw.size(); i-- > 0;) {
            value = value << 8U | static_cast<unsigned char>(raw[i]);
        }
        return push(PickleKind::Int, static_cast<std::int64_t>(value));
    }

    bool text(unsigned char op) {
        switch (op) {
            case kShortBinString:
            case kShortBinUnicode:
                return pushText(PickleKind::Text, number(1));
            case kBinString:
            case kBinUnicode:
                return pushText(PickleKind::Text, number(4));
            case kBinUnicode8:
                return pushText(PickleKind::Text, number(8));
            case kShortBinBytes:
                return pushText(PickleKind::Bytes, number(1));
            case kBinBytes:
                return pushText(PickleKind::Bytes, number(4));
            case kBinBytes8:
            case kByteArray8:
                return pushText(PickleKind::Bytes, number(8));
            default:
                return false;
        }
    }

    bool container(unsigned char op) {
        std::vector<PickleRef> items;
        switch (op) {
            case kEmptyList:
                return push(PickleKind::List);
            case kEmptyDict:
                return push(PickleKind::Dict);
            case kEmptyTuple:
                return push(PickleKind::Tuple);
            case kEmptySet:
                return push(PickleKind::Set);
            case kTuple1:
            case kTuple2:
            case kTuple3:
                items.resize(op - kTuple1 + 1U);
                for (std::size_t i = items.size(); i-- > 0;) {
                    items[i] = pop();
                }
                return error_.has_value() || pushItems(PickleKind::Tuple, std::move(items));
            case kTuple:
                return !popMark(items) || pushItems(PickleKind::Tuple, std::move(items));
            case kFrozenSet:
                return !popMark(items) || pushItems(PickleKind::Set, std::move(items));
            default:
                return false;
        }
    }

    bool filling(unsigned char op) {
        std::vector<PickleRef> items;
        switch (op) {
            case kAppend:
                items = {pop()};
                fill(PickleKind::List, PickleNode::ListItems, items);
                return true;
            case kAppends:
                if (popMark(items)) {
                    fill(PickleKind::List, PickleNode::ListItems, items);
                }
                return true;
            case kAddItems:
                if (popMark(items)) {
                    fill(PickleKind::Set, PickleNode::ListItems, items);
                }
                return true;
            case kSetItem: {
                const PickleRef value = pop();
                items = {pop(), value};
                fill(PickleKind::Dict, PickleNode::DictItems, items);
                return true;
            }
            case kSetItems:
                if (popMark(items)) {
                    if (items.size() % 2 != 0) {
                        damaged("expected keys and values, found a key alone");
                    }
                    fill(PickleKind::Dict, PickleNode::DictItems, items);
                }
                return true;
            default:
                return false;
        }
    }

    /// Adds to the container on top of the stack, or to the part of an object that is one.
    void fill(PickleKind kind, PickleNode::Slot slot, const std::vector<PickleRef>& items) {
        const PickleRef ref = error_ ? kNoPickle : top();
        if (ref == kNoPickle) {
            return;
        }
        PickleRef target = ref;
        if (pickle_.nodes[ref].kind == PickleKind::Object) {
            target = pickle_.nodes[ref].items[slot];
            if (target == kNoPickle) {
                if (make(kind) == nullptr) {
                    return;
                }
                target = last();
                pickle_.nodes[ref].items[slot] = target;
            }
        } else if (pickle_.nodes[ref].kind != kind) {
            damaged("expected a container on the stack, found something else");
            return;
        }
        std::vector<PickleRef>& into = pickle_.nodes[target].items;
        into.insert(into.end(), items.begin(), items.end());
    }

    /// What a pickle asks for by name: noted, never done.
    bool asked(unsigned char op) {
        switch (op) {
            case kGlobal: {
                std::string_view module;
                std::string_view name;
                if (line(module) && line(name)) {
                    global(module, name);
                }
                return true;
            }
            case kStackGlobal: {
                const PickleRef name = pop();
                const PickleRef module = pop();
                if (error_ || pickle_.nodes[name].kind != PickleKind::Text ||
                    pickle_.nodes[module].kind != PickleKind::Text) {
                    damaged("expected the names of a module and an object, found something else");
                    return true;
                }
                global(pickle_.nodes[module].text, pickle_.nodes[name].text);
                return true;
            }
            case kBinPersid:
                if (const PickleRef id = pop(); !error_) {
                    pushItems(PickleKind::Persistent, {id});
                }
                return true;
            case kReduce:
            case kNewObj: {
                const PickleRef arguments = pop();
                const PickleRef callable = pop();
                if (!error_) {
                    call(callable, arguments);
                }
                return true;
            }
            case kBuild: {
                const PickleRef state = pop();
                const PickleRef ref = error_ ? kNoPickle : top();
                if (ref != kNoPickle && pickle_.nodes[ref].kind == PickleKind::Object) {
                    pickle_.nodes[ref].items[PickleNode::State] = state;
                }
                return true;  // attributes of a dictionary (_metadata) are no data
            }
            default:
                return false;
        }
    }

    void global(std::string_view module, std::string_view name) {
        std::string full(module);
        full += '.';
        full += name;
        const auto known = globals_.find(full);
        if (known != globals_.end()) {
            stack_.push_back(known->second);
            return;
        }
        if (PickleNode* node = make(PickleKind::Global)) {
            const auto& kept =
                pickle_.names.emplace_back(std::make_unique<const std::string>(std::move(full)));
            node->text = *kept;
            globals_.emplace(*kept, last());
            stack_.push_back(last());
        }
    }

    void call(PickleRef callable, PickleRef arguments) {
        const PickleNode& what = pickle_.nodes[callable];
        const PickleNode& with = pickle_.nodes[arguments];
        if (with.kind != PickleKind::Tuple) {
            damaged("expected a tuple of arguments, found something else");
            return;
        }
        if (what.kind == PickleKind::Global && dictionary(what.text, with)) {
            return;
        }
        std::vector<PickleRef> items(PickleNode::kSlots, kNoPickle);
        items[PickleNode::Callable] = callable;
        items[PickleNode::Arguments] = arguments;
        pushItems(PickleKind::Object, std::move(items));
    }

    /// The dictionaries and sets of Python's library: containers as others.
    bool dictionary(std::string_view name, const PickleNode& arguments) {
        const bool counted = name == "collections.Counter" || name == "collections.OrderedDict";
        if (!counted && name != "collections.defaultdict" && name != "builtins.set" &&
            name != "__builtin__.set" && name != "builtins.dict" && name != "builtins.list") {
            return false;
        }
        const bool list = name == "builtins.list";
        const PickleKind kind = list                    ? PickleKind::List
                                : name.ends_with("set") ? PickleKind::Set
                                                        : PickleKind::Dict;
        std::vector<PickleRef> items;
        if (!arguments.items.empty() && name != "collections.defaultdict") {
            const PickleNode& from = pickle_.nodes[arguments.items.front()];
            const bool sequence = from.kind == PickleKind::List || from.kind == PickleKind::Tuple;
            if (kind != PickleKind::Dict || from.kind == PickleKind::Dict) {
                items = from.items;
            } else if (sequence) {  // pairs
                for (const PickleRef pair : from.items) {
                    const PickleNode& two = pickle_.nodes[pair];
                    if (two.items.size() == 2 && two.kind != PickleKind::Object) {
                        items.insert(items.end(), two.items.begin(), two.items.end());
                    }
                }
            }
            // Copies of one long list could be made again and again.
            copied_ += items.size();
            if (copied_ > kMostNodes) {
                damaged("expected at most 8388608 copied items, found more");
            }
        }
        return pushItems(kind, std::move(items));
    }

    std::string_view bytes_;
    const std::function<std::string(std::uint64_t)>& place_;
    Pickle pickle_;
    std::vector<PickleRef> stack_;
    std::vector<std::size_t> marks_;
    std::unordered_map<std::uint64_t, PickleRef> memo_;
    std::unordered_map<std::string_view, PickleRef> globals_;
    std::optional<Error> error_;
    std::uint64_t position_ = 0;
    std::uint64_t start_ = 0;
    std::size_t copied_ = 0;
    bool stopped_ = false;
};

}  // namespace

Result<Pickle> readPickle(std::string_view bytes,
                          const std::function<std::string(std::uint64_t offset)>& place) {
    return Interpreter(bytes, place).run();
}

}  // namespace loupe
