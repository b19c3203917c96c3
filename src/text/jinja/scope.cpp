#include "text/jinja/scope.h"

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "text/jinja/functions.h"

namespace poro::jinja {
namespace {

// A function of the compiled template: slots are shared by scopes of one level that follow each other.
struct Function {
  Function* parent = nullptr;
  FunctionCode* code = nullptr;
  std::map<std::pair<int, std::string>, int> slots;

  int slot(int level, const std::string& name) {
    const auto [found, is_new] = slots.try_emplace({level, name}, code->num_slots);
    if (is_new) ++code->num_slots;
    return found->second;
  }
};

struct Load {
  enum class How : uint8_t { kParameter, kLookUp, kOuter, kUnset } how;
};

// The names one scope knows.
struct Symbols {
  Symbols* parent = nullptr;
  Function* function = nullptr;
  int level = 0;
  std::map<std::string, Load> loads;
  std::set<std::string> stores;

  Symbols* owner(const std::string& name) {
    Symbols* scope = this;
    while (scope != nullptr && !scope->loads.contains(name)) scope = scope->parent;
    return scope;
  }
  void load(const std::string& name) {
    if (owner(name) == nullptr) loads[name] = {Load::How::kLookUp};
  }
  void store(const std::string& name) {
    stores.insert(name);
    if (loads.contains(name)) return;
    const bool is_outside = parent != nullptr && parent->owner(name) != nullptr;
    loads[name] = {is_outside ? Load::How::kOuter : Load::How::kUnset};
  }
  void parameter(const std::string& name) {
    stores.insert(name);
    loads[name] = {Load::How::kParameter};
  }

  // After an if: what only some branches store keeps its outer value in the others.
  void merge(const std::vector<Symbols>& branches) {
    std::map<std::string, size_t> stored_in;
    for (const Symbols& branch : branches)
      for (const std::string& name : branch.stores)
        if (!stores.contains(name)) ++stored_in[name];
    for (const Symbols& branch : branches) {
      for (const auto& [name, load] : branch.loads) loads[name] = load;
      stores.insert(branch.stores.begin(), branch.stores.end());
    }
    for (const auto& [name, count] : stored_in) {
      if (count == branches.size()) continue;
      const bool is_outside = parent != nullptr && parent->owner(name) != nullptr;
      loads[name] = {is_outside ? Load::How::kOuter : Load::How::kLookUp};
    }
  }
};

// Finds the names a scope uses, without entering the scopes inside it.
class Finder {
 public:
  explicit Finder(Symbols& symbols) : symbols_(&symbols) {}

  void visit(Node& node) {
    switch (node.kind()) {
      case NodeKind::kName:
        return visit_name(static_cast<Name&>(node));
      case NodeKind::kNamespaceTarget:
        return symbols_->load(static_cast<NamespaceTarget&>(node).object.name);
      case NodeKind::kIf:
        return visit_if(static_cast<If&>(node));
      case NodeKind::kMacro:
        return symbols_->store(static_cast<Macro&>(node).name);
      case NodeKind::kFor:
        return visit(*static_cast<For&>(node).iterable);
      case NodeKind::kCallBlock:
        return visit(*static_cast<CallBlock&>(node).call);
      case NodeKind::kFilterBlock:
        return visit(*static_cast<FilterBlock&>(node).filter);
      case NodeKind::kWith:
        for (const ExpressionPtr& value : static_cast<With&>(node).values) visit(*value);
        return;
      case NodeKind::kSetBlock:
        return visit(*static_cast<SetBlock&>(node).target);
      case NodeKind::kGeneration:
      case NodeKind::kScope:
      case NodeKind::kBlock:
        return;
      case NodeKind::kUnloadable:
        node.for_each_child([&](Node& child) { visit(child); });
        for (const std::string& name : static_cast<Unloadable&>(node).names) symbols_->store(name);
        return;
      default:
        node.for_each_child([&](Node& child) { visit(child); });
    }
  }
  void visit(const Body& body) {
    for (const StatementPtr& statement : body) visit(*statement);
  }
  void visit_parameters(Node& target) {
    if (target.kind() == NodeKind::kName) return symbols_->parameter(static_cast<Name&>(target).name);
    target.for_each_child([&](Node& child) { visit_parameters(child); });
  }

 private:
  void visit_name(Name& name) {
    switch (name.use) {
      case NameUse::kLoad:
        return symbols_->load(name.name);
      case NameUse::kStore:
        return symbols_->store(name.name);
      case NameUse::kParameter:
        return symbols_->parameter(name.name);
    }
  }

  void visit_if(If& node) {
    // Jinja2 holds all elif branches as one, visited one after the other.
    visit(*node.branches.front().condition);
    Symbols* const outside = symbols_;
    std::vector<Symbols> branches(3, *outside);
    symbols_ = &branches[0];
    visit(node.branches.front().body);
    symbols_ = &branches[1];
    for (size_t i = 1; i < node.branches.size(); ++i) visit_elif(node.branches[i]);
    symbols_ = &branches[2];
    visit(node.otherwise);
    symbols_ = outside;
    symbols_->merge(branches);
  }

  // An elif is an if without an else of its own.
  void visit_elif(If::Branch& branch) {
    visit(*branch.condition);
    Symbols* const outside = symbols_;
    std::vector<Symbols> branches(3, *outside);
    symbols_ = &branches[0];
    visit(branch.body);
    symbols_ = outside;
    symbols_->merge(branches);
  }

  Symbols* symbols_;
};

// Which of `names` are used before they are set in a body, scopes inside included.
class Undeclared {
 public:
  explicit Undeclared(std::set<std::string> names) : names_(std::move(names)) {}

  void visit(Node& node) {
    if (node.kind() == NodeKind::kBlock) return;
    if (node.kind() == NodeKind::kName) {
      const Name& name = static_cast<Name&>(node);
      if (name.use != NameUse::kLoad) {
        names_.erase(name.name);
      } else if (names_.contains(name.name)) {
        found_.insert(name.name);
      }
      return;
    }
    if (node.kind() == NodeKind::kNamespaceTarget) return;
    node.for_each_child([&](Node& child) { visit(child); });
  }
  static std::set<std::string> in(const Body& body, std::set<std::string> names) {
    Undeclared finder(std::move(names));
    for (const StatementPtr& statement : body) finder.visit(*statement);
    return std::move(finder.found_);
  }

 private:
  std::set<std::string> names_, found_;
};

struct Frame {
  Symbols* symbols;
  bool is_top_level = false;
  bool is_soft = false;     // In an if: an unknown filter is an error only when it runs.
  bool is_in_loop = false;  // Of this function: break and continue have somewhere to go.
};

class Resolver {
 public:
  void resolve(Template& parsed) {
    Symbols& symbols = new_symbols(nullptr, new_function(nullptr, parsed.function));
    if (!Undeclared::in(parsed.body, {"self"}).empty()) symbols.parameter("self");
    Finder(symbols).visit(parsed.body);
    finish(symbols, parsed.function.start);
    visit(parsed.body, {.symbols = &symbols, .is_top_level = true});
  }

 private:
  Function& new_function(Function* parent, FunctionCode& code) {
    return functions_.emplace_back(Function{.parent = parent, .code = &code, .slots = {}});
  }
  Symbols& new_symbols(Symbols* parent, Function& function) {
    return symbols_.emplace_back(Symbols{.parent = parent,
                                         .function = &function,
                                         .level = parent == nullptr ? 0 : parent->level + 1,
                                         .loads = {},
                                         .stores = {}});
  }
  Frame inner(const Frame& frame) { return inner(frame, *frame.symbols->function); }
  Frame inner(const Frame& frame, Function& function) {
    return {.symbols = &new_symbols(frame.symbols, function),
            .is_in_loop = frame.is_in_loop && &function == frame.symbols->function};
  }

  // The place of `name`, which `from` or a scope around it knows, as seen by code of `from`'s function.
  static Place place(Symbols& from, const std::string& name) {
    Symbols* owner = from.owner(name);
    CHECK(owner != nullptr, "template variable {} was not found by the scope analysis", name);
    Place result{.slot = owner->function->slot(owner->level, name)};
    for (Function* function = from.function; function != owner->function; function = function->parent)
      ++result.hops;
    return result;
  }

  static void finish(Symbols& symbols, ScopeStart& start) {
    for (const auto& [name, load] : symbols.loads) {
      const int slot = symbols.function->slot(symbols.level, name);
      start.slots.push_back(slot);
      switch (load.how) {
        case Load::How::kParameter:
          break;
        case Load::How::kLookUp:
          start.entries.push_back({slot, ScopeStart::From::kVariables, name, {}});
          break;
        case Load::How::kUnset:
          start.entries.push_back({slot, ScopeStart::From::kNothing, {}, {}});
          break;
        case Load::How::kOuter: {
          Place outer = place(*symbols.parent, name);
          for (Function* f = symbols.function; f != symbols.parent->function; f = f->parent) ++outer.hops;
          start.entries.push_back({slot, ScopeStart::From::kOuter, {}, outer});
        }
      }
    }
  }

  void visit(const Body& body, const Frame& frame) {
    for (const StatementPtr& statement : body) visit(*statement, frame);
  }

  void visit(Node& node, const Frame& frame) {
    switch (node.kind()) {
      case NodeKind::kName: {
        Name& name = static_cast<Name&>(node);
        name.place = place(*frame.symbols, name.name);
        return;
      }
      case NodeKind::kConditional: {
        Frame soft = frame;
        soft.is_soft = true;
        return visit_children(node, soft);
      }
      case NodeKind::kFilter:
      case NodeKind::kTest: {
        Applied& applied = static_cast<Applied&>(node);
        applied.function =
            node.kind() == NodeKind::kFilter ? find_filter(applied.name) : find_test(applied.name);
        if (applied.function == nullptr && !frame.is_soft)
          fail("line {}: there is no {} named \"{}\"", node.line, applied.what(), applied.name);
        return visit_children(node, frame);
      }
      case NodeKind::kIf: {
        Frame soft = frame;
        soft.is_soft = true;
        return visit_children(node, soft);
      }
      case NodeKind::kFor:
        return visit_for(static_cast<For&>(node), frame);
      case NodeKind::kSet: {
        visit_children(node, frame);
        return collect_exports(*static_cast<Set&>(node).target, frame, static_cast<Set&>(node).exports);
      }
      case NodeKind::kSetBlock:
        return visit_set_block(static_cast<SetBlock&>(node), frame);
      case NodeKind::kMacro:
        return visit_macro(static_cast<Macro&>(node), frame);
      case NodeKind::kCallBlock:
        visit_macro_code(static_cast<CallBlock&>(node), frame);
        return visit(*static_cast<CallBlock&>(node).call, frame);
      case NodeKind::kGeneration:
        return visit_macro_code(static_cast<Generation&>(node), frame);
      case NodeKind::kFilterBlock: {
        FilterBlock& block = static_cast<FilterBlock&>(node);
        const Frame body = inner(frame);
        Finder finder(*body.symbols);
        finder.visit(block.body);
        finder.visit(*block.filter);
        finish(*body.symbols, block.start);
        visit(block.body, body);
        return visit(*block.filter, body);
      }
      case NodeKind::kWith:
        return visit_with(static_cast<With&>(node), frame);
      case NodeKind::kScope: {
        Scope& scope = static_cast<Scope&>(node);
        const Frame body = inner(frame);
        Finder(*body.symbols).visit(scope.body);
        finish(*body.symbols, scope.start);
        return visit(scope.body, body);
      }
      case NodeKind::kBlock:
        return visit_block(static_cast<Block&>(node));
      case NodeKind::kJump:
        if (!frame.is_in_loop) fail("line {}: break and continue need a loop around them", node.line);
        return;
      default:
        return visit_children(node, frame);
    }
  }

  void visit_children(Node& node, const Frame& frame) {
    node.for_each_child([&](Node& child) { visit(child, frame); });
  }

  void visit_for(For& loop, const Frame& frame) {
    Function* const function = frame.symbols->function;
    loop.has_loop_variable = loop.is_recursive || !Undeclared::in(loop.body, {"loop"}).empty();
    Frame body = loop.is_recursive ? inner(frame, new_function(function, loop.function)) : inner(frame);
    body.is_in_loop = true;
    if (loop.has_loop_variable) body.symbols->parameter("loop");
    Finder body_finder(*body.symbols);
    body_finder.visit_parameters(*loop.target);
    body_finder.visit(loop.body);
    Frame otherwise = inner(frame, *body.symbols->function);
    Finder(*otherwise.symbols).visit(loop.otherwise);
    refuse_loop_target(loop);
    if (loop.condition) {
      const Frame condition = inner(frame, new_function(body.symbols->function, loop.condition_function));
      Finder condition_finder(*condition.symbols);
      condition_finder.visit_parameters(*loop.target);
      condition_finder.visit(*loop.condition);
      finish(*condition.symbols, loop.condition_function.start);
      visit(*loop.condition_target, condition);
      visit(*loop.condition, condition);
    }
    visit(*loop.iterable, frame);
    visit(*loop.target, body);
    if (loop.has_loop_variable) loop.loop_slot = place(*body.symbols, "loop").slot;
    finish(*body.symbols, loop.body_start);
    visit(loop.body, body);
    finish(*otherwise.symbols, loop.otherwise_start);
    visit(loop.otherwise, otherwise);
  }

  static void refuse_loop_target(Node& node) {
    if (node.kind() == NodeKind::kName && static_cast<Name&>(node).use == NameUse::kStore &&
        static_cast<Name&>(node).name == "loop")
      fail("line {}: cannot assign to the loop variable inside a loop", node.line);
    node.for_each_child([](Node& child) { refuse_loop_target(child); });
  }

  void visit_set_block(SetBlock& set, const Frame& frame) {
    const Frame body = inner(frame);
    Finder(*body.symbols).visit(set.body);
    if (set.filter) Finder(*body.symbols).visit(*set.filter);
    finish(*body.symbols, set.start);
    visit(set.body, body);
    visit(*set.target, frame);
    collect_exports(*set.target, frame, set.exports);
    if (set.filter) visit(*set.filter, body);
  }

  void visit_with(With& with, const Frame& frame) {
    const Frame body = inner(frame);
    Finder finder(*body.symbols);
    for (const ExpressionPtr& target : with.targets) finder.visit(*target);
    finder.visit(with.body);
    finish(*body.symbols, with.start);
    for (const ExpressionPtr& target : with.targets) visit(*target, body);
    for (const ExpressionPtr& value : with.values) visit(*value, frame);
    visit(with.body, body);
  }

  void visit_macro(Macro& macro, const Frame& frame) {
    visit_macro_code(macro, frame);
    macro.slot = place(*frame.symbols, macro.name).slot;
    macro.is_exported = frame.is_top_level;
  }

  void visit_macro_code(MacroCode& macro, const Frame& frame) {
    Frame body = inner(frame, new_function(frame.symbols->function, macro.function));
    Symbols& symbols = *body.symbols;
    const auto analyse = [&] {
      Finder finder(symbols);
      for (const auto& parameter : macro.parameters) finder.visit(*parameter);
      for (const ExpressionPtr& value : macro.defaults) finder.visit(*value);
      finder.visit(macro.body);
    };
    analyse();
    std::set<std::string> special = Undeclared::in(macro.body, {"caller", "kwargs", "varargs"});
    for (size_t i = 0; i < macro.parameters.size(); ++i) {
      const std::string& name = macro.parameters[i]->name;
      if (name == "caller") {
        macro.has_caller_parameter = true;
        if (special.contains(name) && i + macro.defaults.size() < macro.parameters.size())
          fail("line {}: the parameter caller of a macro needs a default", macro.line);
      }
      special.erase(name);
    }
    for (const std::string& name : special) symbols.parameter(name);
    analyse();
    finish(symbols, macro.function.start);
    const auto slot_of = [&](const char* name) {
      return special.contains(name) ? place(symbols, name).slot : -1;
    };
    macro.caller_slot = slot_of("caller");
    macro.kwargs_slot = slot_of("kwargs");
    macro.varargs_slot = slot_of("varargs");
    for (const auto& parameter : macro.parameters) visit(*parameter, body);
    for (const ExpressionPtr& value : macro.defaults) visit(*value, body);
    visit(macro.body, body);
  }

  void visit_block(Block& block) {
    Symbols& symbols = new_symbols(nullptr, new_function(nullptr, block.function));
    for (const std::string& name : Undeclared::in(block.body, {"self", "super"})) symbols.parameter(name);
    Finder(symbols).visit(block.body);
    finish(symbols, block.function.start);
    visit(block.body, {.symbols = &symbols});
  }

  static void collect_exports(Node& target, const Frame& frame,
                              std::vector<std::pair<std::string, int>>& exports) {
    if (!frame.is_top_level) return;
    if (target.kind() == NodeKind::kName) {
      const std::string& name = static_cast<Name&>(target).name;
      exports.emplace_back(name, place(*frame.symbols, name).slot);
    } else if (target.kind() == NodeKind::kTuple) {
      target.for_each_child([&](Node& child) { collect_exports(child, frame, exports); });
    }
  }

  std::deque<Function> functions_;
  std::deque<Symbols> symbols_;
};

}  // namespace

void resolve_names(Template& parsed) {
  Resolver().resolve(parsed);
}

}  // namespace poro::jinja
