#!/usr/bin/env python3
"""Templates and what Jinja2 makes of them, with the settings of Hugging Face transformers.

Writes the table that tests/text/jinja_cases_test.cpp holds our interpreter against, one JSON object a line:
    {"template": ..., "text": ...}    or, where Jinja2 refuses,    {"template": ..., "error": true}
All templates see the variables of the first line, {"variables": ...}.

    tools/jinja_cases.py > tests/text/jinja_cases.jsonl             # the table that is kept
    tools/jinja_cases.py --all --compare build/release/poro --model FOLDER   # every combination, beside `poro template`

Needs Debian's python3-jinja2 (3.1.2). Nothing on the product's path needs Python.
"""
import argparse
import copy
import itertools
import json
import random
import re
import subprocess
import sys
from datetime import datetime

import jinja2
import jinja2.ext
import jinja2.nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

VARIABLES = {
    "zero": 0, "n": 7, "neg": -3, "f": 2.5, "tiny": 1e-7, "huge": 1e22, "yes": True, "no": False, "nothing": None,
    "s": "Hello World", "fi": "Äiti söi  hyvää ruokaa", "empty": "", "digits": "42", "spaced": "  a b\tc\n", "lines": "one\ntwo\r\n\nthree",
    "quote": "it's \"quoted\" \\ done", "html": "<a href=\"x\">1 & 2</a>", "emoji": "a😀b€c", "json": "{\"a\": [1]}",
    "list": [3, 1, 2], "words": ["banana", "Apple", "cherry", "apple"], "mixed": [1, "a", None, 2.5, True], "nested": [[1, 2], [3, [4]]],
    "none_list": [], "d": {"b": 1, "a": "x", "C": None}, "none_dict": {},
    "people": [{"name": "Aino", "age": 30, "tags": ["x"]}, {"name": "eero", "age": 25}, {"name": "Aino", "age": 35, "tags": []}],
    "messages": [{"role": "system", "content": " Be kind. "}, {"role": "user", "content": "Hei!"},
                 {"role": "assistant", "content": "Moi", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1.0}}}]}],
}
NAMES = [name for name in VARIABLES if name not in ("messages",)]


class GenerationTag(jinja2.ext.Extension):
    """A scope like a call block, as transformers has it."""
    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_pass"), [], [], body).set_lineno(lineno)

    def _pass(self, caller):
        return caller()


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Refuses powers that Python would work on for hours."""
    intercepted_binops = frozenset(["**"])

    def call_binop(self, context, operator, left, right):
        if isinstance(left, int) and isinstance(right, int) and abs(left) > 1 and left.bit_length() * right > 4096:
            raise OverflowError("a power too large")
        return super().call_binop(context, operator, left, right)


def environment():
    env = BoundedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, jinja2.ext.loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda fmt: datetime.now().strftime(fmt)
    return env


ENVIRONMENT = environment()


def render(template):
    """The text, or None where Jinja2 refuses."""
    try:
        text = ENVIRONMENT.from_string(template).render(**copy.deepcopy(VARIABLES))
        text.encode()
        return text
    except Exception:
        return None


# ---- The cases. The two lists are kept whole; functions that end in _cases give every combination, of which a sample is kept.

SYNTAX = [
    "", "x", "x\n", "x\n\n", "\nx", "a\r\nb\rc\r\n", "{", "{ {", "{{}}", "{{ }}", "{%", "{% %}", "{#", "{# a", "{# a #}", "a{# b #}c",
    "a {#- b -#} c", "a\n  {# b #}\nc", "a\n  {#- b #}\nc", "a\n{# b -#}\n  c", "a {#+ b +#}\n c", "{{ 1 }", "{{ 1", "{{ 1 %}", "{% if %}{% endif %}",
    "{% if 1 %}",
    "{% endif %}", "{% foo %}", "{{ 'a", "{{ \"a' }}", "{{ 'a' 'b' }}", "{{ 'a\\nb\\t\\x41\\u00e4\\\\\\'\\q' }}", "{{ '\\N{BULLET}' }}",
    "{{ '\\x4' }}", "{{ 'ä\\ä' }}", "{{ '\\101\\7' | tojson }}", "{{ 'a\nb' }}", "{{ 1_000 }}", "{{ 0x1F }} {{ 0b101 }} {{ 0o17 }}", "{{ 00 }}",
    "{{ 01 }}", "{{ 1__0 }}", "{{ 1. }}",
    "{{ 1.5 }} {{ 1e3 }} {{ 1.5e-3 }} {{ 1_0.0_1 }}", "{{ 1.5.x }}", "{{ .5 }}", "{{ a.1.2 }}", "{{ nested.0.1 }}", "{{ nested[1].1[0] }}",
    "{{ 1 2 }}", "{{ (1, ) }} {{ () }} {{ (1) }} {{ 1, }} {{ 1, 2 }}",
    "{{ [1, 2, ] }} {{ [] }} {{ {'a': 1, } }} {{ {} }}", "{{ [1 2] }}", "{{ {1} }}", "{{ {'a' 1} }}", "{{ ([{'a': (1)}]) }}", "{{ (] }}", "{{ ) }}",
    "{{ a b }}", "{{ @ }}", "{{ ! }}", "{{ $x }}", "{{ a ? b }}",
    "{{ true }} {{ True }} {{ false }} {{ False }} {{ none }} {{ None }}", "{{ äö }}", "{% set äö = 1 %}{{ äö }}", "{{ 'x' if }}",
    "{{ 1 if 0 }}|{{ (1 if 0) is defined }}", "{{ 1 if 0 else 2 if 0 else 3 }}",
    "{{ 1 if 1 if 0 else 5 else 7 }}", "{{ not not 1 }}", "{{ not 1 == 2 }}", "{{ 1 or 2 and 0 }}", "{{ 0 or '' or [] }}", "{{ 1 and 2 and 3 }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 == 2 }}",
    "{{ 1 in [1] in [[1], True] }}", "{{ 1 not in [2] }} {{ not 1 in [2] }}", "{{ 'a' ~ 1 ~ none ~ [1] }}", "{{ 1 + 2 ~ 3 * 4 }}",
    "{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** -1 }}", "{{ -1 | abs }} {{ - 1 | abs }}", "{{ --1 }} {{ +1 }} {{ -+-1 }}",
    "{{ 7 // 2 * 2 + 7 % 2 }}", "{{ 1 - -1 }}", "{{ 'a' * 3 }} {{ 3 * 'a' }} {{ [1] * 2 }} {{ 2 * (1,) }} {{ 'a' * -1 }}", "{{ s[0] s }}",
    "{{ s.upper () }}", "{{ foo(1)(2) }}", "{{ s|upper|lower|title }}",
    "{{ s | replace('o', '0') | upper }}", "{{ s|foo }}", "{% if no %}{{ s|foo }}{% endif %}ok", "{% if yes %}{{ s|foo }}{% endif %}",
    "{{ 1 if yes else s|foo }}", "{% if yes %}{% for x in [] %}{{ s|foo }}{% endfor %}{% endif %}", "{{ s is foo }}",
    "{{ 1 if 1 is odd else 2 is even is odd }}",
    "{{ 1 is odd is even }}", "{{ 4 is divisibleby 2 }} {{ 4 is divisibleby(3) }} {{ 4 is not divisibleby 3 }}", "{{ s is string and n is number }}",
    "{{ n is in [7] }} {{ 'x' is in 'xyz' }}", "{{ n is eq 7 }} {{ n is ne(7) }} {{ n is gt 3 or no }}",
    "{{ none is none }} {{ nothing is none }} {{ undef is none }}",
    "{{ [1,2,3][1] }} {{ [1,2,3][-1] }} {{ [1,2,3][5] }}|{{ [1,2,3][1:] }} {{ [1,2,3][:-1] }} {{ [1,2,3][::-1] }} {{ [1,2,3][::2] }} {{ (1,2,3)[1:2] }}",
    
    "{{ s[2:5] }} {{ s[::-1] }} {{ s[-3:] }} {{ s[100:] }}|{{ emoji[1] }} {{ emoji[::2] }} {{ emoji[-2:] }} {{ s[5:2] }}|{{ s[5:2:-1] }}",
    "{{ [1][::0] }}", "{{ [1]['a'] }}|", "{{ [1][1:2, 3] }}", "{{ d['a', 'b'] }}|", "{{ s[none:3] }}", "{{ s['a':] }}", "{{ d[:1] }}", "{{ n[0] }}|",
    "{{ range(5)[1:3] }} {{ range(3) }} {{ range(1, 10, 3) | list }} {{ range(3)[-1] }} {{ range(5, 0, -2) | list }} {{ range(0) | list }}",
    "{{ range() }}", "{{ range(1, 2, 0) }}", "{{ range('a') }}", "{{ range(100001) }}",
    "{{ foo.bar }}", "{{ foo.bar.baz }}", "{{ foo }}|{{ d.foo }}|{{ d.foo.bar }}", "{{ foo() }}", "{{ foo + 1 }}", "{{ foo ~ 'x' }}",
    "{{ foo == bar }} {{ foo == none }} {{ foo != 1 }}", "{{ foo < 1 }}", "{{ foo | length }} {{ foo | list }} {{ foo | default('x') }}",
    "{{ not foo }} {{ foo or 'y' }} {{ foo and 'y' }}|", "{% for x in foo %}a{% else %}b{% endfor %}",
    "{{ 1 in foo }}", "{{ foo in [foo] }} {{ foo in {} }}", "{{ -foo }}", "{{ foo[1] }}", "{{ [foo] }} {{ {'a': foo} }} {{ foo | string | length }}",
    "{{ foo | tojson }}", "{{ foo | int }}", "{{ foo | upper }}|{{ foo | trim }}|{{ foo | join }}|", "{{ foo % 1 }}", "{{ 'a%s' % foo }}",
    "{{ '%s' % (foo,) }}",
    "{{ raise_exception('no') }}", "{{ raise_exception() }}", "{% if no %}{{ raise_exception('no') }}{% endif %}fine",
    "{{ strftime_now('%%') }} {{ strftime_now('') }}|", "{{ strftime_now() }}", "{{ lipsum }}"[:0] + "{{ nope() }}",
    "{{ messages[0].content }}|{{ messages[0]['content'] | trim }}|{{ messages[-1].tool_calls[0].function.name }}|{{ messages[0].items is callable }}",
    "{{ messages[1:] | length }} {{ messages | map(attribute='role') | join(',') }}", "{{ d.items }}"[:0] + "{{ d.items() | list }}",
    "{{ d.keys() }} {{ d.values() }} {{ d.items() }}", "{{ d.append }}|{{ list.append }}|", "{{ list.append(1) }}",
    "{{ list.pop() }}", "{{ d.update({'z': 1}) }}", "{{ d.pop('a') }}", "{{ d.setdefault('q', 1) }}", "{{ s.__class__ }}|",
    "{{ s.__class__.__mro__ }}", "{{ ''.__len__() }}", "{{ s._x }}|", "{{ d.__class__ }}|{{ d['__class__'] }}|",
    "{{ s['upper']() }} {{ s.upper() }}", "{{ d['items']() | list }}", "{{ d.get('a') }} {{ d.get('z') }} {{ d.get('z', 5) }}", "{{ d.get() }}",
    "{{ d.get(key='a') }}",
    "{{ d.get([1]) }}", "{{ {[1]: 2} }}", "{{ {(1, 2): 3}[1, 2] }}", "{{ {1: 'a', 1.0: 'b', true: 'c'} }}", "{{ {'a': 1, 'a': 2} }}",
    "{{ {none: 1, 2: 3, (): 4} }}", "{{ dict(a=1, b=2) }} {{ dict([('x', 1)], y=2) }} {{ dict({'k': 1}) }}", "{{ dict(1) }}",
    "{{ dict(**{'a': 1}) }}", "{{ dict(a=1, **{'a': 2}) }}", "{{ dict(a=1, a=2) }}",
    "{{ namespace(a=1).a }} {{ namespace({'b': 2}).b }} {{ namespace().c }}|{{ namespace(a=1) }}",
    "{% set ns = namespace(x=1) %}{% set ns.x = 2 %}{% set ns.y = ns.x + 1 %}{{ ns.x }}{{ ns.y }} {{ ns }}", "{% set d.x = 1 %}",
    "{% set undef.x = 1 %}", "{% set ns = namespace() %}{% for i in [1,2,3] %}{% set ns.last = i %}{% endfor %}{{ ns.last }}",
    "{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [1] %}{{ ns.a }}",
    "{% set a.b, c = 1, 2 %}", "{% set a, b = [1, 2] %}{{ a }}{{ b }}", "{% set a, b = 1 %}", "{% set a, b = [1] %}",
    "{% set a, b = 'xy' %}{{ b }}{{ a }}", "{% set (a, b), c = (1, 2), 3 %}{{ a }}{{ b }}{{ c }}", "{% set a = 1, 2 %}{{ a }}", "{% set true = 1 %}",
    "{% set 1 = 2 %}", "{% set a.b.c = 1 %}", "{% set a['b'] = 1 %}", "{% set a %}", "{% set a = %}", "{% set %}",
    "{% set a %}x{{ n }}{% endset %}[{{ a }}]", "{% set a | upper %}x{{ n }}{% endset %}[{{ a }}]",
    "{% set a | replace('x', 'y') | upper %}xz{% endset %}{{ a }}", "{% set ns = namespace() %}{% set ns.a %}q{% endset %}{{ ns.a }}",
    "{% set a %}{% set b = 1 %}{% endset %}{{ b }}|{{ a }}|", "{{ cycler('a', 'b').next() }}",
    "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}", "{{ cycler() }}",
    "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}", "{% set j = joiner() %}{{ j() }}{{ j() }}",
]

BLOCKS = [
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if no %}a{% elif no %}b{% elif yes %}c{% endif %}",
    "{% if no %}{% else %}{% endif %}", "{% if 1, 2 %}t{% endif %}", "{% if n if yes else no %}x{% endif %}", "{% if: %}{% endif %}",
    "{% if yes: %}x{% endif %}", "{% if no %}a{% else if yes %}b{% endif %}",
    "{% for x in list %}{{ x }},{% endfor %}", "{% for x in list -%} {{ x }} {%- endfor %}", "{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in [(1, 2), [3, 4]] %}{{ k }}{{ v }}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{% for c in 'aäb' %}{{ c }}.{% endfor %}", "{% for x in none %}{% endfor %}",
    "{% for x in list if x > 1 %}{{ loop.index }}{{ x }}{{ loop.last }} {% endfor %}", "{% for x in list if x > 9 %}a{% else %}b{% endfor %}",
    "{% for x in list if loop.index > 1 %}{{ x }}{% endfor %}",
    "{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in list %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in list %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in list %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in list %}{{ loop }}{% endfor %}",
    "{% for x in list %}{{ loop(list) }}{% endfor %}", "{% for x in list %}{{ loop.nope }}|{{ loop['index'] }}{% endfor %}",
    "{{ loop }}|{{ loop is defined }}",
    "{% for x in list | map('string') %}{{ loop.length }}{{ loop.last }}{{ x }}{% endfor %}",
    "{% for x in list | reverse %}{{ x }}{{ loop.revindex }}{% endfor %}",
    "{% for x in range(3) %}{{ x }}{% if loop.last %}!{% endif %}{% endfor %}",
    "{% for x in list %}{% for y in list %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in list %}{% set outer = loop %}{% for y in [1, 2] %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in nested recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}:{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in [[1, []], []] recursive %}{{ loop.depth }}{{ loop(x) if x is sequence }}{% else %}e{% endfor %}",
    "{% for x in nested if x recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in list %}{% set loop = 1 %}{% endfor %}", "{% for loop in list %}{% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in list %}{% continue %}{% else %}never finished{% endfor %}", "{% for x in list %}{% break %}{% else %}left early{% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% break %}{% endif %}{% else %}e{% endfor %}", "{% break %}", "{% continue %}",
    "{% macro m() %}{% break %}{% endmacro %}", "{% for x in list %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in list %}{% with y = x %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endwith %}{% endfor %}",
    "{% for x in list %}{% set q %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endset %}[{{ q }}]{% endfor %}",
    "{% for x in list %}{% filter upper %}a{% break %}{% endfilter %}{% endfor %}z",
    "{% for x in list %}{% generation %}{{ x }}{% endgeneration %}{% endfor %}",
    "{% generation %}{% set inside = 1 %}{{ inside }}{% endgeneration %}{{ inside }}",
    "{% for x in list %}{% generation %}{% break %}{% endgeneration %}{% endfor %}", "{% generation %}", "{% endgeneration %}",
    "{% for x in list %}{% set y = x %}{% endfor %}{{ y }}|", "{% set y = 0 %}{% for x in list %}{% set y = y + x %}{{ y }},{% endfor %}{{ y }}",
    "{% set y = 0 %}{% for x in list %}{{ y }}{% set y = x %}{{ y }},{% endfor %}{{ y }}",
    "{% for x in list %}{{ n }}{% set n = x %}{{ n }},{% endfor %}{{ n }}", "{% for x in list %}{% set n = x %}{{ n }}{% endfor %}{{ n }}",
    "{% for x in list %}{% if x == 1 %}{% set n = 'one' %}{% endif %}{{ n }},{% endfor %}{{ n }}", "{% if yes %}{% set q = 1 %}{% endif %}{{ q }}",
    "{% if no %}{% set q = 1 %}{% endif %}{{ q }}|", "{% if no %}{% set n = 1 %}{% endif %}{{ n }}",
    "{% if no %}{% set n = 1 %}{% else %}{% set n = 2 %}{% endif %}{{ n }}", "{% set n = n + 1 %}{{ n }}",
    "{% for x in list %}{% if loop.first %}{% set seen = x %}{% endif %}{{ seen }},{% endfor %}", "{% for n in list %}{{ n }}{% endfor %}{{ n }}",
    "{% for x in [1] %}{% for y in [2] %}{% set n = y %}{% endfor %}{{ n }}{% endfor %}",
    "{% for x in [1] %}{% set z = 5 %}{% for y in [2] %}{{ z }}{% set z = 6 %}{{ z }}{% endfor %}{{ z }}{% endfor %}",
    "{% set x = 'outer' %}{% for x in list %}{{ x }}{% endfor %}{{ x }}", "{{ x }}{% for x in list %}{{ x }}{% endfor %}{{ x }}|",
    "{% for x in x %}{% endfor %}done", "{% set list = [9] %}{% for x in list %}{{ x }}{% endfor %}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }} {{ m() }}",
    "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}{{ m() }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ kwargs }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(*[5], **{'b': 6}) }}",
    "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a, a) %}{% endmacro %}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}",
    "{% macro m(a=b, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}", "{% macro m(a=n) %}{{ a }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{{ n }}{% endmacro %}{{ m(1) }}{{ n }}", "{% macro m() %}{{ n }}{% set n = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% macro m() %}{{ v }}{% endmacro %}{% set v = 1 %}{{ m() }}", "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{{ n }}{% endcall %}",
    "{% macro m() %}[{{ caller(1, 2) }}]{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}",
    "{% macro m(caller) %}{{ caller }}{% endmacro %}{{ m(1) }}", "{% call s.upper() %}{% endcall %}", "{% call 1 %}{% endcall %}",
    "{% macro m() %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}{% endmacro %}{{ m() }}",
    "{% macro m(a, b) %}{{ varargs }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_varargs }}{{ m }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{% endfor %}{{ m() }}",
    "{% set ns = namespace() %}{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{% set ns.m = m %}{{ ns.m() }}{% endfor %}{{ ns.m() }}",
    "{{ m() }}{% macro m() %}x{% endmacro %}", "{% if no %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}",
    "{% macro m() %}{% macro k() %}in{% endmacro %}{{ k() }}{% endmacro %}{{ m() }}{{ k is defined }}",
    "{% macro m() -%} a {%- endmacro %}[{{ m() }}]", "{% macro m() %} a {% endmacro %}{{ m() | trim }}",
    "{{ (m is defined) }}{% macro m() %}{% endmacro %}{{ m is callable }}",
    "{% macro m(x) %}{% for i in x %}{% if i is iterable %}{{ m(i) }}{% else %}{{ i }}{% endif %}{% endfor %}{% endmacro %}{{ m(nested) }}",
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aXa{% endfilter %}",
    "{% filter indent(2) %}a\nb{% endfilter %}", "{% filter nope %}a{% endfilter %}", "{% filter upper %}{% set q = 1 %}{% endfilter %}{{ q }}|",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}|", "{% with a = 1, b = a %}{{ b }}{% endwith %}|",
    "{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}|",
    "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}", "{% with a = 1 b = 2 %}{% endwith %}",
    "{% raw %}{{ x }}{% endraw %}", "{% raw -%}  a  {%- endraw %}", "a\n  {% raw %}\n  {{ b }}\n  {% endraw %}\n c", "{%- raw -%} a {%- endraw -%} b",
    "{% raw %}{% raw %}{% endraw %}", "{% raw %}", "{% raw %}a{% endraw", "{%+ raw %} a {%+ endraw %} b", "{% endraw %}", "{% rawx %}",
    "{% print 1, s %}", "{% print %}", "{% print 1 2 %}", "{% autoescape false %}{{ html }}{% set q = 1 %}{% endautoescape %}{{ q }}|",
    "{% include 'x' %}", "{% if no %}{% include 'x' %}{% endif %}ok", "{% if no %}{% import 'x' as y %}{% endif %}ok",
    "{% if no %}{% from 'x' import y, z as w with context %}{% endif %}ok", "{% import 'x' as y %}", "{% extends 'x' %}",
    "{% block b %}x{{ n }}{% endblock %}", "{% block b %}x{% endblock b %}{% block c scoped %}y{% endblock %}",
    "{% block b %}{% endblock %}{% block b %}{% endblock %}", "{% set v = 1 %}{% block b %}{{ v }}{% endblock %}",
    "{% for i in list %}{% block b %}{{ i }}{% endblock %}{% endfor %}|", "{% block b %}{{ super() }}{% endblock %}",
    "{% block b required %} {% endblock %}", "{% block b required %}x{% endblock %}", "{% block a-b %}{% endblock %}",
    "{% block b %}x{% endblock %}{{ self.b() }}", "{% do list %}", "{% debug %}", "{% trans %}x{% endtrans %}",
    "{% for m in messages %}{% if m['role'] == 'user' %}U:{{ m['content'] }}{% elif m['role'] == 'assistant' %}A:{{ m.content }}{% if m.tool_calls %}{% for t in m.tool_calls %}{{ t.function | tojson }}{% endfor %}{% endif %}{% endif %}{% endfor %}",
    "{%- for m in messages %}\n    {%- if loop.first and m.role == 'system' %}\n        {{- '<<' + m.content | trim + '>>\\n' }}\n    {%- endif %}\n{%- endfor %}",
    "{{ messages | tojson(indent=2) }}", "{{ messages[2].tool_calls[0].function.arguments | tojson }}",
    "{{ (messages | selectattr('role', 'equalto', 'user') | list | first).content }}",
    "{{ messages | rejectattr('role', 'in', ['system', 'user']) | map(attribute='content') | list }}",
    "{% set roles = messages | map(attribute='role') | list %}{{ roles }}{{ 'user' in roles }}",
    "{% set content = messages[0].content if messages[0].content is string else messages[0].content | map(attribute='text') | join %}{{ content }}",
]

WHITESPACE_PARTS = ["x", " ", "\n", "  \n ", "\n\n  y"]
TAG_FORMS = [("{%", "%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%-", "-%}"), ("{%+", "%}"), ("{%", "+%}"), ("{%+", "+%}")]

FILTER_ARGUMENTS = {
    "abs": [""], "attr": ["('upper')", "('a')", "('items')", "('nope')"], "batch": ["(2)", "(2, 'z')", "(linecount=3)", "()", "(0)"],
    "capitalize": [""], "center": ["", "(20)", "(15)", "(width=4)"],
    "count": [""], "d": ["", "('z')", "('z', true)"], "default": ["", "('z')", "('z', true)", "(default_value='q', boolean=true)"], "dictsort": ["",
    "(true)", "(by='value')", "(reverse=true)", "(false, 'nope')"],
    "e": [""], "escape": [""], "filesizeformat": ["", "(true)"], "first": [""], "float": ["", "(1.5)", "(default='x')"], "forceescape": [""],
    "format": ["", "(1)", "(1, 2)", "(a=1)"],
    "groupby": ["('age')", "('name')", "('tags')", "('x', default='q')", "('name', case_sensitive=true)", "(0)"], "indent": ["", "(2)", "(2, true)",
    "(2, true, true)", "('>')", "(first=true, blank=true)"], "int": ["", "(5)", "(0, 16)", "(base=0)", "(default='x')"],
    "items": [""], "join": ["", "(', ')", "(d='-')", "('/', 'name')", "('/', attribute='age')", "(1)"], "last": [""], "length": [""], "list": [""],
    "lower": [""], "map": ["", "('upper')", "(attribute='name')", "(attribute='nope', default='q')", "('nope')", "('default', 'x')",
    "(attribute='0')", "('int')", "('string')"],
    "max": ["", "(attribute='age')", "(case_sensitive=true)"], "min": ["", "(attribute='age')", "(true)"], "pprint": [""], "reject": ["", "('odd')",
    "('none')", "('nope')"], "rejectattr": ["('tags')", "('age', 'gt', 26)", "()"],
    "replace": ["('o', '0')", "('', '-')", "('l', 'L', 1)", "('a')", "(1, 2)", "(old='o', new='')"], "reverse": [""], "round": ["", "(1)",
    "(1, 'ceil')", "(0, 'floor')", "(-1)", "(method='ceil')", "(1, 'nope')", "(3)"], "safe": [""], "select": ["", "('odd')", "('string')",
    "('gt', 1)", "('in', [1, 2])"],
    "selectattr": ["('tags')", "('age', 'lt', 31)", "('name', 'equalto', 'Aino')", "('nope', 'defined')", "('tags', 'undefined')"], "slice": ["(2)",
    "(3, 'z')", "(0)", "(slices=2)"], "sort": ["", "(reverse=true)", "(case_sensitive=true)", "(attribute='age')", "(attribute='name,age')",
    "(true, true)", "(attribute='tags')"],
    "string": [""], "striptags": [""], "sum": ["", "(attribute='age')", "(start=10)", "('age', 5)"], "title": [""], "tojson": ["", "(indent=2)",
    "(ensure_ascii=true)", "(sort_keys=true)", "(separators=(',', ':'))", "(indent=0)", "(true, 1)", "(indent='--')", "(foo=1)"], "trim": ["",
    "('H')", "(chars=' d')", "(none)"],
    "truncate": ["", "(5)", "(5, true)", "(5, true, '…')", "(8, false, '..', 0)", "(2)", "(length=9, leeway=0)"], "unique": ["", "(true)",
    "(attribute='name')"], "upper": [""], "urlencode": [""], "urlize": ["", "(5)", "(nofollow=true)", "(target='_blank', rel='x')"],
    "wordcount": [""], "wordwrap": ["", "(5)", "(5, false)", "(7, wrapstring='|')", "(3, break_on_hyphens=false)"], "xmlattr": ["", "(false)"],
}
TEST_ARGUMENTS = {
    "boolean": [""], "callable": [""], "defined": [""], "divisibleby": ["(2)", " 3", "(0)", "('x')"], "eq": ["(7)", " 'a'", "([3, 1, 2])"],
    "equalto": [" 2.5"], "==": [""][:0], "escaped": [""], "even": [""], "false": [""], "filter": [""], "float": [""], "ge": ["(2)"],
    "greaterthan": ["(2)"], "gt": ["(2)", "('a')"],
    "in": ["([7, 'x'])", "('Hello World!')", "(d)", "(5)"], "integer": [""], "iterable": [""], "le": ["(2)"], "lessthan": ["(2)"], "lower": [""],
    "lt": ["(2)", "([4])"], "mapping": [""], "ne": ["(7)"], "none": [""], "number": [""], "odd": [""], "sameas": ["(none)", "(true)", "(7)"],
    "sequence": [""], "string": [""], "test": [""], "true": [""], "undefined": [""], "upper": [""],
}
STRING_METHODS = {
    "capitalize": ["()"], "casefold": ["()"], "center": ["(15)", "(16, '*')", "()", "(5, '**')"], "count": ["('o')", "('')", "('l', 3)",
    "('l', 3, 9)", "('zz')"], "encode": [], "endswith": ["('d')", "(('x', 'd'))", "('d', 2)", "(1)", "('')"], "expandtabs": ["()", "(4)", "(0)"],
    "find": ["('o')", "('o', 5)", "('z')", "('', 100)", "('o', -4)", "('ö')", "()"], "format": ["()", "(1)"], "index": ["('o')", "('zzz')"],
    "isalnum": ["()"], "isalpha": ["()"], "isascii": ["()"], "isdecimal": ["()"], "isdigit": ["()"], "isidentifier": ["()"], "islower": ["()"],
    "isnumeric": ["()"], "isprintable": ["()"], "isspace": ["()"], "istitle": ["()"], "isupper": ["()"],
    "join": ["(['a', 'b'])", "('xyz')", "([1])", "(d)", "()"], "ljust": ["(14)", "(14, '.')"], "lower": ["()", "(1)"], "lstrip": ["()", "('H')",
    "(' Ä')", "(none)"], "partition": ["('o')", "(' ')", "('')", "('zz')"], "removeprefix": ["('He')", "('x')"], "removesuffix": ["('ld')", "('x')"],
    "replace": ["('o', '0')", "('', '-')", "('l', 'L', 1)", "('l', 'L', 0)", "('o')", "('ä', 'a')"], "rfind": ["('o')", "('o', 0, 5)", "('')"],
    "rindex": ["('o')"], "rjust": ["(14)", "(14, '0')"], "rpartition": ["('o')", "('zz')"], "rsplit": ["()", "('o')", "('o', 1)", "(none, 1)",
    "(' ')", "(maxsplit=1)"], "rstrip": ["()", "('d')"],
    "split": ["()", "('o')", "('o', 1)", "(none, 1)", "(' ')", "(maxsplit=1)", "('')", "(sep='l')", "('\\n')"], "splitlines": ["()", "(true)",
    "(keepends=true)"], "startswith": ["('H')", "(('x', 'H'))", "('e', 1)", "('')", "(['H'])"], "strip": ["()", "('Hd')", "(' \\n')"],
    "swapcase": ["()"], "title": ["()"], "upper": ["()"], "zfill": ["(14)", "(3)"],
}
DICT_METHODS = {"copy": ["()"], "get": ["('a')", "('z', 1)", "('C', 1)"], "items": ["()", "(1)"], "keys": ["()"], "values": ["()"], "clear": ["()"],
    "pop": ["('a')"]}
LIST_METHODS = {"count": ["(1)", "('x')"], "index": ["(1)", "(9)", "(1, 1)", "(2, -1)"], "copy": ["()"], "sort": ["()"], "reverse": ["()"],
    "extend": ["([1])"]}
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
NUMBERS = ["0", "1", "-1", "7", "-7", "2", "3", "10", "2.5", "-2.5", "0.1", "1e16", "1e-5", "123456789.123", "true", "1e300", "-0.0", "1e22",
    "100000", "0.30000000000000004", "9007199254740993", "1.0"]
PERCENT_FORMATS = ["%s", "%d", "%i", "%5d", "%-5d|", "%05d", "%+d", "% d", "%x", "%X", "%#x", "%o", "%f", "%.2f", "%8.3f", "%-8.2f|", "%08.2f", "%e",
    "%.1e", "%g", "%G", "%r", "%5s", "%-5s|", "%.2s", "%c", "%%", "%z", "%", "a%sb%sc", "%(a)s", "%*d", "%.3d", "%a"]
BRACE_FORMATS = ["{}", "{0}", "{0}{0}", "{}{}", "{a}", "{0!r}", "{0!s}", "{0!x}", "{:5}|", "{:<5}|", "{:>5}", "{:^6}|", "{:*^7}", "{:05}", "{:+}",
    "{: }", "{:d}", "{:x}", "{:#x}", "{:b}", "{:,}", "{:_}", "{:.2f}", "{:8.3f}", "{:e}", "{:g}", "{:%}", "{:.3}", "{:s}", "{:n}", "{:c}", "{{}}",
    "{", "}", "{0", "{0.real}", "{0[0]}", "{0[a]}", "{:{}}", "{!r:>8}", "{:010,.2f}", "{:012,d}", "{0} {}", "{:5.}", "{:é>5}", "{0.upper}"]


def tag(body, form):
    return f"{form[0]} {body} {form[1]}"


def whitespace_cases():
    cases = []
    for before, after in itertools.product(WHITESPACE_PARTS, repeat=2):
        for first, last in itertools.product(TAG_FORMS, repeat=2):
            cases.append(f"a{before}{tag('if yes', first)}{after}b{before}{tag('endif', last)}{after}c")
        for open_mark, close_mark in itertools.product(["{{", "{{-", "{{+"], ["}}", "-}}", "+}}"]):
            cases.append(f"a{before}{open_mark} 'v' {close_mark}{after}b")
        for open_mark, close_mark in itertools.product(["{#", "{#-", "{#+"], ["#}", "-#}", "+#}"]):
            cases.append(f"a{before}{open_mark} c {close_mark}{after}b")
            cases.append(f"{before}{open_mark} c {close_mark}{after}{{{{ 1 }}}}")
    return cases


def filter_cases():
    names = NAMES + ["undef"]
    return [f"{{{{ {name} | {filt}{arguments} }}}}|{{{{ {name} | {filt}{arguments} | list }}}}" if filt in ("batch", "slice", "map", "select",
        "reject", "selectattr", "rejectattr", "unique", "items", "reverse")
            else f"{{{{ {name} | {filt}{arguments} }}}}"
            for filt, all_arguments in FILTER_ARGUMENTS.items() for arguments in all_arguments for name in names]


def lazy_cases():
    lazy = ("batch", "slice", "map", "select", "reject", "selectattr", "rejectattr", "unique", "items", "reverse")
    return [f"{{{{ {name} | {filt}{arguments} | list }}}}" for filt in lazy for arguments in FILTER_ARGUMENTS[filt] for name in NAMES + ["undef"]]


def test_cases():
    return [f"{{{{ {name} is {test}{arguments} }}}} {{{{ {name} is not {test}{arguments} }}}}"
            for test, all_arguments in TEST_ARGUMENTS.items() for arguments in all_arguments for name in NAMES + ["undef"]]


def method_cases():
    strings = ["s", "fi", "empty", "digits", "spaced", "lines", "quote", "emoji", "'ABC def'", "'ǆ ß ŉ Σας'", "'x-y_z 1a'"]
    cases = [f"{{{{ {name}.{method}{arguments} }}}}" for method, every in STRING_METHODS.items() for arguments in every for name in strings]
    cases += [f"{{{{ d.{method}{arguments} }}}}" for method, every in DICT_METHODS.items() for arguments in every]
    cases += [f"{{{{ {name}.{method}{arguments} }}}}" for method, every in LIST_METHODS.items() for arguments in every for name in ("list", "words",
        "(1, 2, 1)", "range(5)")]
    return cases


def operator_cases():
    values = NAMES + ["undef", "(1, 2)", "'b'", "[3, 1]"]
    cases = [f"{{{{ {a} {op} {b} }}}}" for op in OPERATORS for a in values for b in values]
    return cases


def number_cases():
    cases = [f"{{{{ {a} {op} {b} }}}}" for op in OPERATORS[:7] + OPERATORS[8:14] for a in NUMBERS for b in NUMBERS]
    cases += [f"{{{{ {a} }}}} {{{{ {a} | int }}}} {{{{ {a} | float }}}} {{{{ {a} | round(2) }}}} {{{{ {a} | string }}}} {{{{ [{a}] | tojson }}}} {{{{ -{a} }}}}"
        for a in NUMBERS]
    cases += [f"{{{{ {a} | round({p}, '{m}') }}}}" for a in NUMBERS + ["2.675", "0.5", "1.5", "1234.5678", "15", "25", "-15"] for p in (0, 1, 2, -1,
        -2) for m in ("common", "ceil", "floor")]
    return cases


def format_cases():
    values = ["n", "neg", "f", "s", "fi", "yes", "nothing", "list", "d", "huge", "tiny", "undef", "1234567.891", "(1, 2)", "0", "65", "'x'", "-1.5",
        "123456789", "1e100", "0.0001", "100.0"]
    cases = [f"{{{{ '{form}' % {value} }}}}" for form in PERCENT_FORMATS for value in values]
    cases += [f"{{{{ '{form}' % (1, 2) }}}}" for form in PERCENT_FORMATS]
    cases += [f"{{{{ '{form}'.format({value}) }}}}" for form in BRACE_FORMATS for value in values]
    cases += ["{{ '{a} {b:>4}'.format(a=1, b='x') }}", "{{ '{0} {a}'.format(1, a=2) }}", "{{ '%(a)s %(b)05d' % {'a': 1, 'b': 2} }}",
        "{{ '%s and %s' | format(s, n) }}", "{{ '%(x)s' | format(x=1) }}", "{{ '{a}'.format_map({'a': 1}) }}", "{{ '{:>{w}}|'.format(1, w=4) }}",
        "{{ '%*d' % (5, 1) }}", "{{ '%-*d|' % (5, 1) }}", "{{ '%.*f' % (2, 1.0) }}"]
    return cases


def repr_cases():
    texts = ["it's", "\"q\"", "both ' and \"", "tab\\t", "nl\\n", "ä€😀", "\\x00\\x1f\\x7f\\x80\\xa0\\xad", "\\u200b\\u2028\\ufeff", "\\u0378",
        "back\\\\slash", ""]
    cases = [f"{{{{ ['{t.replace(chr(39), chr(92) + chr(39))}'] }}}} {{{{ '{t.replace(chr(39), chr(92) + chr(39))}' | tojson }}}} {{{{ '{t.replace(chr(39), chr(92) + chr(39))}' | tojson(ensure_ascii=true) }}}} {{{{ '{t.replace(chr(39), chr(92) + chr(39))}' | length }}}}"
        for t in texts]
    cases += [f"{{{{ {name} }}}} {{{{ [{name}] }}}} {{{{ ({name},) }}}} {{{{ {{'k': {name}}} }}}} {{{{ {name} ~ '' }}}}" for name in NAMES + ["undef",
        "()", "(1, 2)", "[[], {}, ()]", "range(2)", "{1: {2: [3]}}"]]
    cases += [f"{{{{ {name} | tojson }}}}" for name in ["()", "(1, 2)", "{1: 2, none: 3, true: 4, 1.5: 5}", "{(1,): 2}", "range(2)",
        "[1, [2, [3, {}], []], {'a': {'b': []}}]", "d.items()", "list | map('string')"]]
    cases += [f"{{{{ [1, [2, [], {{}}], {{'b': 1, 'a': [{{}}]}}] | tojson({a}) }}}}" for a in ("indent=1", "indent=4", "indent=none",
        "sort_keys=true", "indent=2, sort_keys=true", "indent=2, separators=(', ', ' : ')", "separators=('', '')", "indent=-1")]
    return cases


def markup_cases():
    safe = "('<b>' | safe)"
    return [f"{{{{ {e} }}}}" for e in (
        f"{safe} + '<i>'", f"'<i>' + {safe}", f"{safe} + {safe}", f"{safe} ~ '<i>'", f"{safe} * 2", f"{safe} % 1", "('%s' | safe) % '<i>'",
        "('%s' | safe) % html", f"{safe} | upper", f"{safe} is escaped", f"({safe} | upper) is escaped",
        f"({safe} | trim) is escaped", f"{safe} | e", f"{safe} | forceescape", f"[{safe}]", f"{safe} == '<b>'", f"{safe}[0]", f"{safe}[0] is escaped",
        f"{safe} | string is escaped", f"{safe} | replace('b', '<')", f"({safe} | replace('b', '<')) is escaped", f"[{safe}, '<i>'] | join",
        f"['<i>', {safe}] | join('<')", f"(',' | safe).join(['<', {safe}])",
        f"{safe} | length", f"{safe} | tojson", f"{safe}.format(1)", f"('{{}}' | safe).format('<')", f"{safe} | indent(2, true)", f"{safe} in html",
        f"html | e | e", f"html | escape | upper", f"({safe} | list)", f"{safe} | capitalize", f"{safe}.lower() is escaped", f"{safe}.split('b')",
        "5 | safe", "none | e", "[1, '<'] | e")]


def text_cases():
    wrapped = ["The quick brown fox jumps over the lazy dog", "well-known state-of-the-art-thing", "a--b ---c d- -e", "aaaaaaaaaaaaaaaa bbb",
        "  leading and trailing  ", "tab\\tand  double  spaces", "x-1 1-x a-b ab-cd", "one\\n\\ntwo three", "äöå-ääkköset ovat-tässä",
        "it's-a 'quote-d'", "supercalifragilistic-expialidocious"]
    cases = [f"{{{{ '{t.replace(chr(39), chr(92) + chr(39))}' | wordwrap({a}) }}}}" for t in wrapped for a in ("3", "5", "8", "10", "20", "8, false",
        "8, break_on_hyphens=false", "5, true, '|'")]
    titles = ["hello world", "HELLO-wORLD", "it's (my) [own] {thing} <x>", "äiti ÖLJY", "a1b2 c-d_e", "ǆ ß", "  x  "]
    cases += [f"{{{{ '{t.replace(chr(39), chr(92) + chr(39))}' | title }}}}|{{{{ '{t.replace(chr(39), chr(92) + chr(39))}'.title() }}}}|{{{{ '{t.replace(chr(39), chr(92) + chr(39))}' | capitalize }}}}|{{{{ '{t.replace(chr(39), chr(92) + chr(39))}'.swapcase() }}}}|{{{{ '{t.replace(chr(39), chr(92) + chr(39))}' | wordcount }}}}"
        for t in titles]
    urls = ["see http://example.com now", "https://x.y/z?q=1&r=2.", "www.example.com", "example.com", "example.xyz", "a@b.co", "mailto:a@b.co",
        "(http://a.b/c(d))", "<http://a.bc>", "http://localhost:8080/x", "ftp://x.yz", "http://1.2.3.4/", "x http://a.bc, y", "Http://A.Com"]
    cases += [f"{{{{ '{u}' | urlize }}}}" for u in urls] + [f"{{{{ '{u}' | urlize(8, true) }}}}" for u in urls]
    cases += [f"{{{{ '{t}' | striptags }}}}" for t in ("<p>a</p>", "a < b > c", "<!-- x -->y", "&lt;b&gt; &amp; &#65; &#x42; &nope; &auml;",
        "a\\n  b\\t c", "<a", "a>b", "<b <i>>x")]
    cases += [f"{{{{ {v} | filesizeformat }}}} {{{{ {v} | filesizeformat(true) }}}}" for v in ("0", "1", "999", "1000", "1024", "1e6", "1500000",
        "1e9", "123456789012", "1e15", "1e18", "1e21", "1e24", "1e27", "'1000'", "-5")]
    cases += [f"{{{{ '{v}' | int({b}) }}}} {{{{ '{v}' | float }}}}" for v in ("12", " 12 ", "-7", "+3", "0x1f", "1f", "1_000", "1__0", "3.9", "-3.9",
        "1e3", "abc", "", "٣", "inf", "nan", "0b11", "077", "0o17", "_1", "1_", "1e", ".5", "5.", "--5") for b in ("0", "7, 16", "0, 0", "0, 2",
        "0, 40") if not (v == "inf")]
    cases += [f"{{{{ {v} | pprint }}}}" for v in ("messages", "people", "words", "(1,)", "{'b': 1, 'a': 2}", "range(60) | list",
        "[['a' * 30, 'b' * 30, 'c' * 30], {'k' * 20: ['x' * 40, 'y' * 40]}]", "{'long' * 8: {'inner' * 8: [1, 2, 3], 'other' * 9: none}}")]
    return cases


def kept():
    """The table in the repository: everything small, and a fixed sample of every grid."""
    chosen = SYNTAX + BLOCKS + markup_cases() + repr_cases()
    pick = random.Random(20261123)
    for grid, count in ((whitespace_cases(), 250), (filter_cases() + lazy_cases(), 700), (test_cases(), 150), (method_cases(), 350),
        (operator_cases(), 250), (number_cases(), 200), (format_cases(), 300), (text_cases(), 250)):
        chosen += pick.sample(grid, min(count, len(grid)))
    return chosen


def everything():
    return (SYNTAX + BLOCKS + whitespace_cases() + filter_cases() + lazy_cases() + test_cases() + method_cases() + operator_cases() + number_cases()
        + format_cases() + repr_cases() + markup_cases() + text_cases())


# Where we differ by decision; docs/chat_template.md says why.
DIFFERENT = {
    "{#", "{% raw %}", "{{ [1][1:2, 3] }}", "{{ list.pop() }}", "{% block b %}x{% endblock %}{{ self.b() }}",
    "{% set ns = namespace() %}{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{% set ns.m = m %}{{ ns.m() }}{% endfor %}{{ ns.m() }}",
    "{{ range(5).count(1) }}", "{{ range(5).count('x') }}", "{{ range(5).index(1) }}", "{{ '%+d' % huge }}", "{{ '%+d' % 1e100 }}",
    "{{ ('{}' | safe).format('<') }}", "{{ ('<b>' | safe).split('b') }}",
}


def is_comparable(template, text):
    """Addresses differ from run to run; integers beyond 64 bits and complex numbers are errors of ours by decision."""
    if template in DIFFERENT:
        return False
    return text is None or (" at 0x" not in text and not text.endswith("j)") and not re.search(r"(?<![\d.e+])\d{20,}(?![\d.]*e|\.\d)", text))


def compare(poro, model, cases):
    lines = "".join(json.dumps({"template": template, "variables": VARIABLES}) + "\n" for template, _ in cases)
    answers = subprocess.run([poro, "template", "--model", model], input=lines, capture_output=True, text=True,
        timeout=600).stdout.rstrip('\n').split('\n')
    assert len(answers) == len(cases), "one answer a line"
    different = 0
    for (template, wanted), answer in zip(cases, answers):
        got = json.loads(answer)
        if got.get("text") == wanted:
            continue
        different += 1
        print(json.dumps({"template": template, "jinja2": wanted, "poro": got.get("text"), "error": got.get("error")}, ensure_ascii=False))
    print(f"{len(cases)} cases, {different} different", file=sys.stderr)
    return different


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--all", action="store_true", help="every combination, not only the kept table")
    arguments.add_argument("--compare", metavar="PORO", help="compare with this program instead of writing the table")
    arguments.add_argument("--model", help="a model folder, for --compare")
    options = arguments.parse_args()
    templates = list(dict.fromkeys(everything() if options.all else kept()))
    cases = [(template, render(template)) for template in templates]
    cases = [case for case in cases if is_comparable(*case)]
    if options.compare:
        sys.exit(1 if compare(options.compare, options.model, cases) else 0)
    print(json.dumps({"variables": VARIABLES}, ensure_ascii=False))
    for template, text in cases:
        print(json.dumps({"template": template, "error": True} if text is None else {"template": template, "text": text}, ensure_ascii=False))


if __name__ == "__main__":
    main()
