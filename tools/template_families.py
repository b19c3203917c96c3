#!/usr/bin/env python3
"""Chat templates in the manner of many model families, and what Jinja2 makes of them.

Each template uses what its family's templates lean on (slices, namespaces, macros that call themselves, loop neighbours, string
methods, filters over tools); the words are ours. Writes the table that tests/text/template_families_test.cpp reads: a line with the
conversations, then a line for each family: {"family", "template", "texts": one for each conversation, null where Jinja2 refuses}.

    tools/template_families.py > tests/text/template_families.jsonl

Needs Jinja2 3.1, as tools/jinja_cases.py does.
"""
import copy
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from jinja_cases import environment

FAMILIES = {}

FAMILIES["chatml"] = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
Ole avuksi.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + (message['content'] or '') + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

FAMILIES["thinking"] = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(multi_step=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\n{"name": "' ~ tool_call.name ~ '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' + content + '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""

FAMILIES["inst"] = r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {{- ", " if not loop.last else "]" + eos_token }}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}"""

FAMILIES["turns"] = r"""{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- if messages[0]['content'] is string -%}{%- set prefix = messages[0]['content'] + '

' -%}{%- else -%}{%- set prefix = messages[0]['content'][0]['text'] + '

' -%}{%- endif -%}{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set prefix = "" -%}{%- set loop_messages = messages -%}{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}{%- endif -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '
' + (prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}
        {%- endfor -%}
    {%- else -%}{{ raise_exception("Invalid content type") }}{%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<start_of_turn>model
'}}{%- endif -%}"""

FAMILIES["fullwidth"] = r"""{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<｜Assistant｜><｜calls｜><｜call｜>' + tool['type'] + '<｜sep｜>' + tool['function']['name'] + '\n' + '```json' + '\n' + tool['function']['arguments']|tojson + '\n' + '```' + '<｜end｜>'}}{%- set ns.is_first = true -%}{%- else %}{{'\n' + '<｜call｜>' + tool['type'] + '<｜sep｜>' + tool['function']['name'] + '\n' + '```json' + '\n' + tool['function']['arguments']|tojson + '\n' + '```' + '<｜end｜>'}}{{'<｜calls end｜>'}}{%- endif %}{%- endfor %}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{%- if ns.is_tool %}{{'<｜outputs end｜>' + message['content'] + '<｜eos｜>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜eos｜>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<｜outputs｜><｜output｜>' + message['content'] + '<｜end｜>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\n<｜output｜>' + message['content'] + '<｜end｜>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<｜outputs end｜>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜>'}}{% endif %}"""

FAMILIES["python-types"] = r"""{%- macro python_type(spec) %}
    {%- set basic = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
    {%- if basic[spec.type] is defined %}
        {{- basic[spec.type] }}
    {%- elif spec.type == "array" %}
        {{- "List[" + python_type(spec['items']) + "]" }}
    {%- elif spec.type == "object" %}
        {%- if spec.additionalProperties is defined %}
            {{- "Dict[str, " + python_type(spec.additionalProperties) + ']' }}
        {%- else %}
            {{- "dict" }}
        {%- endif %}
    {%- elif spec.type is iterable and spec.type is not string %}
        {{- "Union[" }}
        {%- for t in spec.type %}
            {{- python_type({"type": t}) }}
            {%- if not loop.last %}
                {{- "," }}
            {%- endif %}
        {%- endfor %}
        {{- "]" }}
    {%- else %}
        {{- "Any" }}
    {%- endif %}
{%- endmacro %}
{%- for tool in tools or [] %}
    {%- if tool.function is defined %}
        {%- set tool = tool.function %}
    {%- endif %}
    {{- '{"type": "function", "function": {"name": "' + tool.name + '", "description": "' + tool.name + '(' }}
    {%- for name, fields in tool.parameters.properties | items %}
        {{- name + ": " + python_type(fields) }}
        {%- if not loop.last %}
            {{- ", " }}
        {%- endif %}
    {%- endfor %}
    {{- ")" }}
    {%- if tool.return is defined %}
        {{- " -> " + python_type(tool.return) }}
    {%- endif %}
    {{- " - " + tool.description + "\n\n" }}
    {%- for name, fields in tool.parameters.properties | items %}
        {%- if loop.first %}
            {{- "    Args:\n" }}
        {%- endif %}
        {{- "        " + name + "(" + python_type(fields) + "): " + fields.description|default('?', true)|trim }}
    {%- endfor %}
    {{- '", "parameters": ' }}
    {%- if tool.parameters.properties | length == 0 %}
        {{- "{}" }}
    {%- else %}
        {{- tool.parameters|tojson }}
    {%- endif %}
    {{- "}}\n" }}
{%- endfor %}
{%- for m in messages %}{{ m.role|upper }}: {{ m.content|default('(nothing)', true) }}
{% endfor %}"""

FAMILIES["typescript"] = r"""{%- macro type_of(spec, required, is_nullable=false) -%}
    {%- if spec.type == "array" -%}
        {%- if spec['items'] -%}
            {%- if spec['items']['type'] == "string" -%}string[]
            {%- elif spec['items']['type'] in ("number", "integer") -%}number[]
            {%- else -%}{%- set inner = type_of(spec['items'], required) -%}
                {%- if inner == "object | object" or inner|length > 50 -%}any[]{%- else -%}{{ inner + "[]" }}{%- endif -%}
            {%- endif -%}
            {%- if spec.nullable -%}{{ " | null" }}{%- endif -%}
        {%- else -%}any[]{%- endif -%}
    {%- elif spec.type is defined and spec.type is iterable and spec.type is not string and spec.type is not mapping and spec.type[0] is defined -%}
        {%- if spec.type | length > 1 -%}{{ spec.type | join(" | ") }}{%- else -%}{{ spec.type[0] }}{%- endif -%}
    {%- elif spec.oneOf -%}
        {%- for variant in spec.oneOf -%}{{ type_of(variant, required) }}
            {%- if variant.description %}{{ "// " + variant.description }}{%- endif -%}
            {%- if variant.default is defined %}{{ "// default: " + variant.default|tojson }}{%- endif -%}
            {%- if not loop.last %}{{ " | " }}{% endif -%}
        {%- endfor -%}
    {%- elif spec.type == "string" -%}
        {%- if spec.enum -%}{{ '"' + spec.enum|join('" | "') + '"' }}{%- else -%}string{%- if spec.nullable %}{{ " | null" }}{%- endif -%}{%- endif -%}
    {%- elif spec.type in ["number", "integer"] -%}number
    {%- elif spec.type == "boolean" -%}boolean
    {%- elif spec.type == "object" -%}
        {%- if spec.properties -%}
            {{- "{\n" }}
            {%- for name, prop in spec.properties.items() -%}
                {{- name -}}
                {%- if name not in (spec.required or []) -%}{{- "?" }}{%- endif -%}
                {{- ": " }}{{ type_of(prop, spec.required or []) }}
                {%- if not loop.last -%}{{ ", " }}{%- endif -%}
            {%- endfor -%}
            {{- "}" }}
        {%- else -%}object{%- endif -%}
    {%- else -%}any{%- endif -%}
{%- endmacro -%}
{%- macro tools_of(namespace_name, tools) -%}
    {{- "## " + namespace_name + "\n\nnamespace " + namespace_name + " {\n\n" }}
    {%- for tool in tools %}
        {%- set tool = tool.function %}
        {{- "// " + tool.description + "\ntype " + tool.name + " = " }}
        {%- if tool.parameters and tool.parameters.properties %}
            {{- "(_: {\n" }}
            {%- for name, spec in tool.parameters.properties|dictsort(reverse=true) %}
                {%- if spec.description %}{{- "// " + spec.description + "\n" }}{%- endif %}
                {{- name }}{%- if name not in (tool.parameters.required or []) -%}{{- "?" }}{%- endif -%}{{- ": " }}{{- type_of(spec, tool.parameters.required or []) }}
                {%- if spec.default is defined -%}
                    {%- if spec.enum %}{{- ", // default: " + spec.default }}{%- else %}{{- "// default: " + spec.default|tojson }}{%- endif -%}
                {%- endif -%}
                {%- if not loop.last %}{{- ",\n" }}{%- else %}{{- "\n" }}{%- endif -%}
            {%- endfor %}
            {{- "}) => any;\n\n" }}
        {%- else -%}{{- "() => any;\n\n" }}{%- endif -%}
    {%- endfor %}
    {{- "} // namespace " + namespace_name }}
{%- endmacro -%}
{%- if tools -%}{{ tools_of("functions", tools) }}{%- endif -%}
{%- for message in messages -%}
    {%- if message.role == 'assistant' -%}
        {%- if "tool_calls" in message -%}
            {%- set tool_call = message.tool_calls[0] -%}{%- if tool_call.function -%}{%- set tool_call = tool_call.function -%}{%- endif -%}
            {{- "<|start|>assistant to=functions." + tool_call.name + "<|channel|>commentary json<|message|>" + tool_call.arguments|tojson + "<|call|>" }}
        {%- elif loop.last and not add_generation_prompt -%}
            {{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "<|return|>" }}
        {%- else -%}{{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "<|end|>" }}{%- endif -%}
    {%- else -%}{{- "<|start|>" + message.role + "<|message|>" + (message.content if message.content is string else message.content|tojson) + "<|end|>" }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}"""

FAMILIES["documents"] = r"""{%- if documents %}
{%- set docs = documents | map(attribute='title') | map('default', 'untitled') | list %}
{{- '<|docs|>' + docs | join('; ') }}
{%- for d in documents %}

{{ loop.index }}/{{ loop.length }}: {{ d.title | default('untitled') | title }}
{{ d.text | wordwrap(20) | indent(2, true) }}
{%- if not loop.last %} --{% endif %}
{%- endfor %}
{% endif %}
{%- for role, group in messages | groupby('role') %}
{{- role }}={{ group | length }}{{ ', ' if not loop.last }}
{%- endfor %}

{% for message in messages %}
{% if loop.previtem is defined and loop.previtem.role == message.role %}
(same)
{% elif loop.changed(message.role) %}
[{{ loop.cycle('a', 'b') }}] {{ message.role | capitalize }}
{% endif %}
{{ message.content | string | truncate(24, true, '…') | replace('\n', ' ') }}
{% endfor %}"""

FAMILIES["parts"] = r"""{%- macro visible(content) -%}
    {%- if content is string -%}
        {{- content }}
    {%- elif content is iterable and content is not mapping -%}
        {%- for item in content -%}
            {%- if item is mapping and item.type == 'text' -%}
                {{- item.text }}
            {%- elif item is string -%}
                {{- item }}
            {%- endif -%}
        {%- endfor -%}
    {%- elif content is none -%}
    {%- else -%}
        {{- content }}
    {%- endif -%}
{%- endmacro -%}
[gMASK]<sop>
{%- if tools -%}
<|system|>
{% for tool in tools %}
{{ tool | tojson(ensure_ascii=False) }}
{% endfor %}
{%- endif -%}
{%- set ns = namespace(last_user_index=-1) %}
{%- for m in messages %}
    {%- if m.role == 'user' %}
        {% set ns.last_user_index = loop.index0 -%}
    {%- endif %}
{%- endfor %}
{% for m in messages %}
{%- if m.role == 'user' -%}<|user|>
{{ visible(m.content) }}
{{- '/nothink' if (enable_thinking is defined and not enable_thinking and not visible(m.content).endswith("/nothink")) else '' -}}
{%- elif m.role == 'assistant' -%}
<|assistant|>
{%- set content = visible(m.content) %}
{%- if loop.index0 > ns.last_user_index and '</think>' in content -%}
{{ '\n<think>' + content.split('</think>')[0].split('<think>')[-1].strip() + '</think>' }}
{%- else -%}
{{ '\n<think></think>' }}
{%- endif -%}
{%- if content.strip() -%}
{{ '\n' + content.split('</think>')[-1].strip() }}
{%- endif -%}
{% if m.tool_calls %}
{% for tc in m.tool_calls %}
{%- if tc.function %}
    {%- set tc = tc.function %}
{%- endif %}
{{ '\n<tool_call>' + tc.name }}
{% set _args = tc.arguments %}
{% for k, v in _args.items() %}
<arg_key>{{ k }}</arg_key>
<arg_value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</arg_value>
{% endfor %}
</tool_call>{% endfor %}
{% endif %}
{%- elif m.role == 'tool' -%}
{%- if m.content is string -%}
{%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
    {{- '<|observation|>' }}
{%- endif %}
{{- '\n<tool_response>\n' }}
{{- m.content }}
{{- '\n</tool_response>' }}
{%- else -%}
<|observation|>{% for tr in m.content %}

<tool_response>
{{ tr.output if tr.output is defined else tr }}
</tool_response>{% endfor -%}
{% endif -%}
{%- elif m.role == 'system' -%}
<|system|>
{{ visible(m.content) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    <|assistant|>{{- '\n<think></think>' if (enable_thinking is defined and not enable_thinking) else '' -}}
{%- endif -%}"""

FAMILIES["roles"] = r"""{% set role_names = {'system': 'SYSTEM', 'user': 'USER', 'assistant': 'ASSISTANT'} %}
{% for message in messages %}
{% if message['role'] not in role_names %}
{% continue %}
{% endif %}
{% if loop.index > 5 %}
{% break %}
{% endif %}
{{ role_names.get(message['role'], '?') }}: {{ message['content'] | trim if message['content'] is string else (message['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join(' ') if message['content'] else '-') }}{{ '</s>' if message['role'] == 'assistant' else ' ' }}
{% endfor %}
{% if add_generation_prompt and messages[-1]['role'] != 'assistant' %}ASSISTANT:{% endif %}"""

FAMILIES["generation"] = r"""{{- bos_token }}
{%- set ns = namespace(total=0) -%}
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{{- '<|assistant|>\n' }}{% generation %}{{ (message.content or '') + eos_token }}{% endgeneration %}
{%- else %}
{{- '<|' ~ message.role ~ '|>\n' ~ message.content }}
{%- endif %}
{%- set ns.total = ns.total + (message.content | default('', true) | length) %}
{{- '\n' if not loop.last else '' -}}
{%- endfor %}
{{- '\n(' ~ ns.total ~ ' / ' ~ '%.1f' | format(ns.total / (messages | length)) ~ ' / ' ~ (ns.total // 3) ~ ')' }}
{%- if add_generation_prompt %}{{ '\n<|assistant|>\n' }}{% endif %}"""

FAMILIES["raw"] = r"""{% raw %}{{ not a variable }}{% endraw %}
{% set text %}{% for m in messages if m.content is string and m.content %}
{{ m.content.strip().splitlines()[0][:40] }}{{ "," if not loop.last }}
{% endfor %}{% endset %}
{{ text | trim | upper }}
{% filter lower %}{{ messages | map(attribute='role') | unique | join('/') }}{% endfilter %}
{% with first = messages[0], last = messages[-1] %}{{ first.role ~ '..' ~ last.role }}{% endwith %}
{{ messages | rejectattr('content', 'none') | map(attribute='content') | map('string') | map('length') | sum }}
{{ (messages | map(attribute='role') | list).index('user') if 'user' in messages | map(attribute='role') else -1 }}
{{ {'b': 1, 'a': [1, 2.0, none, true, 'ä"\'']} | tojson }} {{ {'b': 1, 'a': [1.5e20, false]} | string }}
{{ messages[0] | dictsort | first | first }} {{ messages | length is divisibleby 2 }} {{ range(3) | map('string') | join }}"""

SYSTEM = {"role": "system", "content": "Olet poro.\nVastaa lyhyesti."}
USER = {"role": "user", "content": "  Mikä on \"Suomen\" pääkaupunki?\n"}
ANSWER = {"role": "assistant", "content": "<think>\nHelsinki, tietysti.\n</think>\n\nHelsinki 🙂 <b>&</b>"}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "abcdef123", "type": "function", "function": {"name": "sää", "arguments": {"paikka": "Oulu", "päivät": 3, "yksiköt": ["C", None, 1.5]}}},
    {"id": "abcdef124", "type": "function", "function": {"name": "aika", "arguments": {}}}]}
RESULT = {"role": "tool", "name": "sää", "tool_call_id": "abcdef123", "content": "{\"lämpö\": -3}"}
TOOLS = [
    {"type": "function", "function": {"name": "sää", "description": "Kertoo sään <tänään> & huomenna", "parameters": {"type": "object", "properties": {
        "paikka": {"type": "string", "description": " Missä "}, "päivät": {"type": ["integer", "null"], "default": 1},
        "yksiköt": {"type": "array", "items": {"type": "string", "enum": ["C", "F"]}}, "tarkkuus": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "muut": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"oneOf": [{"type": "boolean", "default": True}, {"type": "integer"}]}},
                 "required": ["x"]}, "taulu": {"type": "object", "additionalProperties": {"type": "number"}}}, "required": ["paikka"]},
        "return": {"type": "string"}}},
    {"type": "function", "function": {"name": "aika", "description": "Kello", "parameters": {"type": "object", "properties": {}}}},
]
DOCUMENTS = [{"title": "porot ja hirvet", "text": "Poro on kesy peura, joka elää Lapissa ja syö jäkälää."}, {"text": "Hirvi\n\non suurempi."}]
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " Mitä "}, {"type": "text", "text": "näet?"}]}

CONVERSATIONS = [
    {"messages": [USER]},
    {"messages": [USER], "add_generation_prompt": True},
    {"messages": [SYSTEM, USER, ANSWER]},
    {"messages": [SYSTEM, USER, ANSWER, USER], "add_generation_prompt": True},
    {"messages": [SYSTEM, USER], "tools": TOOLS, "add_generation_prompt": True},
    {"messages": [USER, CALL, RESULT], "tools": TOOLS, "add_generation_prompt": True},
    {"messages": [USER, CALL, RESULT, RESULT, ANSWER, USER, ANSWER], "tools": TOOLS},
    {"messages": [PARTS], "add_generation_prompt": True},
    {"messages": [SYSTEM, PARTS, ANSWER]},
    {"messages": [USER, USER]},
    {"messages": [SYSTEM]},
    {"messages": []},
    {"messages": [USER], "documents": DOCUMENTS, "add_generation_prompt": True},
    {"messages": [USER, ANSWER, USER], "variables": {"enable_thinking": False}, "add_generation_prompt": True},
]


def main():
    env = environment()
    globals_ = {"bos_token": "<s>", "eos_token": "</s>"}
    print(json.dumps({"globals": globals_, "conversations": CONVERSATIONS}, ensure_ascii=False))
    for family, template in FAMILIES.items():
        texts = []
        for conversation in CONVERSATIONS:
            given = copy.deepcopy(conversation)
            variables = {**globals_, "tools": given.get("tools"), "documents": given.get("documents"), "messages": given["messages"],
                         "add_generation_prompt": given.get("add_generation_prompt", False), **given.get("variables", {})}
            try:
                texts.append(env.from_string(template).render(**variables))
            except Exception:
                texts.append(None)
        print(json.dumps({"family": family, "template": template, "texts": texts}, ensure_ascii=False))


main()
