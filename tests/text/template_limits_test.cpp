// Templates that would run, grow or nest without end: each ends within a second of the processor's time, and
// says why. What merely takes long on a large text has to end as fast, whether it succeeds or not.
#include <gtest/gtest.h>

#include <ctime>

#include "base/error.h"
#include "text/chat_template.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSecondsAllowed = 30;
#else
constexpr double kSecondsAllowed = 1;
#endif

double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// What the template's failure says; empty: it rendered.
std::string error_of(const std::string& source, const Json& variables = Json::object()) {
  std::string error;
  const double start = processor_seconds();
  try {
    ChatTemplate(source, Json::object()).render({.messages = Json::array(), .variables = variables});
  } catch (const Error& failure) {
    error = failure.what();
  }
  EXPECT_LT(processor_seconds() - start, kSecondsAllowed) << source.substr(0, 200);
  return error.substr(0, 300);
}

void expect_refused(const std::vector<std::string>& sources, std::string_view why) {
  for (const std::string& source : sources)
    EXPECT_NE(error_of(source).find(why), std::string::npos) << source.substr(0, 200) << "\n"
                                                             << error_of(source);
}

std::string repeated(std::string_view part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

// `value` doubled a hundred times over by `step`, which sees it as ns.v.
std::string doubled(const std::string& value, const std::string& step) {
  return "{% set ns = namespace(v=" + value + ") %}{% for i in range(100) %}{% set ns.v = " + step +
         " %}{% endfor %}";
}

TEST(TemplateLimits, LoopsEnd) {
  expect_refused({"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                  "{% for i in range(100000) %}{{ range(100000) | list | length }}{% endfor %}",
                  "{% for i in range(100000) %}{{ range(100000) | sum }}{% endfor %}",
                  "{% for c in 'x' * 60000000 %}{% endfor %}",
                  "{% set ns = namespace(d={}) %}{% for i in range(100000) %}{% set ns.d = dict(ns.d, **{i | "
                  "string: 1}) %}{% endfor %}"},
                 "runs for more than 10000000 steps");
  expect_refused({"{{ range(100001) }}", "{{ range(1000000000) }}"}, "range");
}

TEST(TemplateLimits, RecursionEnds) {
  expect_refused({"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                  "{% macro f() %}{% call g() %}{% endcall %}{% endmacro %}{% macro g() %}{{ f() }}{{ "
                  "caller() }}{% endmacro %}{{ f() }}",
                  "{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}"},
                 "more than 200 deep");
  expect_refused({"{% macro f(n) %}xxxxxxxxxx{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro "
                  "%}{{ f(60) }}"},
                 "writes more than 64 MiB");
}

TEST(TemplateLimits, TextsDoNotGrowForEver) {
  for (const char* step :
       {"ns.v + ns.v", "ns.v ~ ns.v", "ns.v.replace('x', 'xxxx')", "ns.v.join([ns.v, ns.v])",
        "'%s%s' % (ns.v, ns.v)", "'{0}{0}'.format(ns.v)", "[ns.v, ns.v] | join", "[ns.v, ns.v] | tojson"})
    EXPECT_NE(error_of(doubled("'x'", step)), "") << step;
  expect_refused({"{{ 'x' * 1000000000 }}", "{{ [0] * 1000000000 }}", "{{ 'x' | center(1000000000) }}",
                  "{{ 'x'.ljust(1000000000) }}", "{{ 'x'.zfill(1000000000) }}", "{{ '%1000000000d' % 1 }}",
                  "{{ '%*d' % (1000000000, 1) }}", "{{ '%.1000000000f' % 1.5 }}",
                  "{{ '{:1000000000}'.format(1) }}", "{{ '{:.1000000000f}'.format(1.5) }}",
                  "{{ '{:{}}'.format(1, 1000000000) }}", "{{ ('a\n' * 10000) | indent(100000) }}",
                  "{{ 'a\n' | indent(1000000000, true) }}", "{{ [1] | tojson(indent=1000000000) }}",
                  "{{ [1] | batch(1000000000, 'x') | list }}", "{{ [1] | slice(1000000000) | list }}",
                  "{{ ('a,' * 100000) | wordwrap(1, wrapstring='x' * 100000) }}"},
                 "chat template, line 1: ");
  expect_refused({"{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}",
                  "{% for i in range(100000) %}{% set x %}{{ 'x' * 10000 }}{% endset %}{% endfor %}"},
                 "writes more than 64 MiB");
}

TEST(TemplateLimits, ValuesDoNotGrowForEver) {
  EXPECT_NE(error_of(doubled("[1]", "ns.v + ns.v")), "");
  for (const char* after : {"{{ ns.v }}", "{{ ns.v | tojson }}", "{{ ns.v | pprint }}", "{{ {ns.v: 1} }}"})
    EXPECT_NE(error_of(doubled("(1,)", "(ns.v, ns.v)") + after), "") << after;
  EXPECT_NE(
      error_of(
          "{% set ns = namespace(v=(1,), w=(1,)) %}{% for i in range(100) %}{% set ns.v = (ns.v, ns.v) %}"
          "{% set ns.w = (ns.w, ns.w) %}{% endfor %}{{ ns.v == ns.w }}"),
      "");
  const std::string nest =
      "{% set ns = namespace(v=[1], w=[1]) %}{% for i in range(1000) %}{% set ns.v = [ns.v] %}{% set ns.w = "
      "[ns.w] %}{% endfor %}";
  for (const char* after : {"{{ ns.v }}", "{{ ns.v | tojson }}", "{{ ns.v | pprint }}", "{{ ns.v == ns.w }}",
                            "{{ ns.v < ns.w }}"})
    EXPECT_NE(error_of(nest + after).find("more than 200 "), std::string::npos)
        << after << error_of(nest + after);
  EXPECT_NE(error_of("{% set ns = namespace() %}{% set ns.s = [ns] %}{{ ns }}"), "");
  Json nested = Json::array();
  for (int i = 0; i < 1000; ++i) nested = Json::array({nested});
  EXPECT_NE(error_of("{{ x }}", {{"x", nested}}), "");
}

TEST(TemplateLimits, NumbersStayInSixtyFourBits) {
  expect_refused({"{{ 9223372036854775807 + 1 }}", "{{ 10 ** 100 }}", "{{ 7 ** 9007199254740993 }}",
                  "{{ 3037000500 * 3037000500 }}", "{{ -9223372036854775807 - 2 }}", "{{ 1e300 | int }}"},
                 "64");
  expect_refused({"{{ ('9' * 1000000) | int }}", "{{ " + repeated("9", 1'000'000) + " }}"},
                 "1000000 digits does not fit in 64 bits");
  EXPECT_EQ(error_of("{{ 1.5 | round(1000000000) }}{{ ('9' * 1000000) | float }}"), "");
}

// The parser recurses too.
TEST(TemplateLimits, SourcesMayNotNestForEver) {
  for (const char* open : {"(", "[", "{1: ", "-", "not ", "x(", "x[", "'a' ~ (", "1 if (", "1 + -"})
    EXPECT_NE(error_of("{{ " + repeated(open, 100'000)), "") << open;
  for (const char* more : {" + 1", " ** 1", " == (1", " | upper | (1)", " if 1 else 1", " and (1"})
    EXPECT_NE(error_of("{{ 1" + repeated(more, 100'000) + " }}"), "") << more;
  for (const char* open :
       {"{% if 1 %}", "{% for i in [1] %}", "{% set x %}", "{% filter upper %}", "{% macro a() %}",
        "{% call f() %}", "{% with %}", "{% generation %}", "{% if 1 %}{% else %}{% for i in x %}"})
    EXPECT_NE(error_of(repeated(open, 100'000)), "") << open;
  for (const char* chain : {".a", "[0]", "()", " | upper"})
    EXPECT_NE(error_of("{{ x" + repeated(chain, 100'000) + " }}"), "") << chain;
  for (const char* open : {"{", "{%", "{{", "{#", "{% raw %}", "{{ '"}) error_of(repeated(open, 500'000));
  expect_refused({repeated(" ", 5 << 20)}, "has 5242880 bytes");
}

// Each of these is one look at a text of eight megabytes; a template may ask for it a hundred thousand times.
TEST(TemplateLimits, LargeTextsAreLookedAtForAPrice) {
  const auto ask_again = [](const std::string& set, const char* look) {
    EXPECT_NE(error_of(set + "{% for i in range(100000) %}{% set x = " + look + " %}{% endfor %}"), "")
        << look;
  };
  for (const char* look :
       {"s | length", "s[-1]", "s == t", "'q' in s", "s ~ ''", "s | title", "s | tojson", "s | e",
        "s | striptags", "s is lower", "s.isascii()", "s.istitle()", "s.rfind('q')", "s.count('q')",
        "s.rsplit()", "s.replace('q', 'r')", "{s: 1}", "'{}'.format(s)", "[s] | string"})
    ask_again("{% set s = 'é' * 4000000 %}{% set t = 'é' * 4000000 %}", look);
  for (const char* look : {"l == m", "l | sum", "l.count(2)", "l | sort"})
    ask_again("{% set l = [1] * 1000000 %}{% set m = [1] * 1000000 %}", look);
}

// What a careless search or cut would take the square of the text's length for.
TEST(TemplateLimits, WorkGrowsWithTheTextAndNoFaster) {
  for (const char* work : {"('a' * 4000000 + 'b') in ('a' * 8000000)",
                           "('a' * 8000000).count('a' * 4000 + 'b')",
                           "('a' * 8000000).rfind('b' + 'a' * 4000000)",
                           "('a' * 8000000).replace('a' * 4000 + 'b', '') | length",
                           "('a' * 8000000).split('a' * 4000 + 'b') | length",
                           "('a' * 8000000).rsplit('b' + 'a' * 4000) | length",
                           "('ab' * 100000).rsplit('ab') | length",
                           "('a' * 4000000) | wordwrap(1) | length",
                           "('-' * 4000000) | wordwrap(1) | length",
                           "('(' * 4000000) | urlize | length",
                           "(')' * 4000000) | urlize | length",
                           "('(' * 99999 ~ 'a' ~ ')' * 99999) | urlize | length",
                           "('&' * 4000000) | striptags | length",
                           "('<' * 4000000) | striptags | length",
                           "('<!--' * 1000000) | striptags | length",
                           "('a@' * 1000000) | urlize | length",
                           "('a ' * 3000000) | title | length",
                           "range(100000) | list | sort(reverse=true) | length",
                           "range(100000) | unique | list | length",
                           "range(100000) | map('string') | join | length",
                           "dict(range(100000) | map('string') | batch(2)) | length"})
    error_of(std::string("{{ ") + work + " }}");
}

}  // namespace
}  // namespace poro
