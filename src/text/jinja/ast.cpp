// The children of each node, in the order in which Jinja2 visits them.
#include "text/jinja/ast.h"

#include <algorithm>

namespace poro::jinja {
namespace {

using Visit = std::function<void(Node&)>;

template <class T>
void visit_if_set(const std::unique_ptr<T>& node, const Visit& visit) {
  if (node) visit(*node);
}

template <class T>
void visit_all(const std::vector<std::unique_ptr<T>>& nodes, const Visit& visit) {
  for (const auto& node : nodes) visit(*node);
}

}  // namespace

void ListDisplay::for_each_child(const Visit& visit) {
  visit_all(items, visit);
}

void DictDisplay::for_each_child(const Visit& visit) {
  for (const auto& [key, value] : items) visit(*key), visit(*value);
}

void Unary::for_each_child(const Visit& visit) {
  visit(*operand);
}
void Binary::for_each_child(const Visit& visit) {
  visit(*left), visit(*right);
}
void Concatenation::for_each_child(const Visit& visit) {
  visit_all(parts, visit);
}

void Compare::for_each_child(const Visit& visit) {
  visit(*first);
  for (const auto& [op, operand] : rest) visit(*operand);
}

void Conditional::for_each_child(const Visit& visit) {
  visit(*condition), visit(*yes);
  visit_if_set(no, visit);
}

void Attribute::for_each_child(const Visit& visit) {
  visit(*object);
}
void Item::for_each_child(const Visit& visit) {
  visit(*object), visit(*key);
}

void SliceItem::for_each_child(const Visit& visit) {
  visit(*object);
  for (const ExpressionPtr* bound : {&start, &stop, &step}) visit_if_set(*bound, visit);
}

void CallArguments::for_each_child(const Visit& visit) {
  visit_all(positional, visit);
  for (const auto& [name, value] : named) visit(*value);
  visit_if_set(unpacked, visit);
  visit_if_set(unpacked_named, visit);
}

void Call::for_each_child(const Visit& visit) {
  visit(*callee);
  arguments.for_each_child(visit);
}

void Applied::for_each_child(const Visit& visit) {
  visit_if_set(input, visit);
  arguments.for_each_child(visit);
}

void If::for_each_child(const Visit& visit) {
  for (const Branch& branch : branches) {
    visit(*branch.condition);
    visit_all(branch.body, visit);
  }
  visit_all(otherwise, visit);
}

void For::for_each_child(const Visit& visit) {
  visit(*target), visit(*iterable);
  visit_all(body, visit);
  visit_all(otherwise, visit);
  visit_if_set(condition, visit);
}

void SetBlock::for_each_child(const Visit& visit) {
  visit(*target);
  visit_if_set(filter, visit);
  visit_all(body, visit);
}

void MacroCode::for_each_child(const Visit& visit) {
  visit_all(parameters, visit);
  visit_all(defaults, visit);
  visit_all(body, visit);
}

void CallBlock::for_each_child(const Visit& visit) {
  visit(*call);
  MacroCode::for_each_child(visit);
}

void FilterBlock::for_each_child(const Visit& visit) {
  visit_all(body, visit);
  visit(*filter);
}

void With::for_each_child(const Visit& visit) {
  visit_all(targets, visit);
  visit_all(values, visit);
  visit_all(body, visit);
}

void Scope::for_each_child(const Visit& visit) {
  visit_all(body, visit);
}
void Block::for_each_child(const Visit& visit) {
  visit_all(body, visit);
}

}  // namespace poro::jinja
