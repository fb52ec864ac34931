"""What transformers makes of chat templates with Jinja: a template for each feature that such templates use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

Message = dict[str, Any]
CONVERSATIONS: tuple[list[Message], ...] = (
    [{"role": "query", "content": "When?"}, {"role": "document", "content": "  at nine\n"}],
    [
        {"role": "system", "content": 'Judge & <answer> "it".'},
        {"role": "query", "content": "a\tb  c "},
        {"role": "document", "content": "é 漢字 😀\u0000 {{ not a template }} {% nor this %}"},
    ],
    [{"role": "query", "content": ""}, {"role": "document", "content": "<|im_end|>\r\n</think>x"}],
    [{"role": "query", "content": "x" * 40}, {"role": "document", "content": "line one\nline two\n\n"}],
)
VARIABLES: Message = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, "opening": "so"}

EACH = "{% for m in messages %}"
END = "{% endfor %}"
TEMPLATES: tuple[str, ...] = (
    # Blocks, line breaks and spaces
    EACH + "{{ m.role }}: {{ m.content }}\n" + END,
    EACH + "\n  {{ m['role'] }}\n{% endfor %}\nend\n",
    EACH
    + "\n\n    {%- if m.role == 'query' -%}\n  Q {{ m.content }}\n  {%- else %}\nD {{ m.content }}\n{% endif %}\n"
    + END,
    "{#- a comment -#}\n  {%+ if true %}\n kept {% endif %}\n{% raw %}{{ raw }}{% endraw %}",
    "a\n{%- set x = 1 -%}\n b \n{{- x -}}\n c\n\n",
    # Conditions and tests
    EACH
    + "{{ 'S' if m.role == 'system' else 'O' }}{% if m.content is string and m.content is not none %}!{% endif %}"
    + END,
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}"
    "{% elif opening is defined %}{{ opening }}{% endif %}",
    "{{ missing is defined }}{{ missing is none }}{{ none is none }}{{ bos_token is string }}{{ 3 is number }}"
    "{{ messages is iterable }}{{ messages is mapping }}"
    "{{ messages[0] is mapping }}{{ 4 is even }}{{ '' is string }}",
    "{{ not missing }}{{ missing or 'other' }}{{ bos_token and eos_token }}"
    "{{ 'a' in 'cat' }}{{ 'query' in messages[0].values() }}",
    "{% if not add_generation_prompt %}no{% endif %}"
    "{{ add_generation_prompt }}{{ none }}{{ false }}{{ 7 // 2 }}{{ 7 % 3 }}",
    "{{ 1 < 2 <= 2 }}{{ 1 == 1.0 }}{{ 'a' < 'b' }}{{ 2 ** 5 }}{{ -3 + 1 }}",
    # Loops
    EACH
    + "{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }};"
    + END,
    EACH + "{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% break %}" + END,
    "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.role }}{% else %}none{% endfor %}",
    "{% for m in messages[1:] %}{{ m.role }}{% endfor %}{% for m in messages[::-1] %}{{ m.role }},{% endfor %}",
    "{% for key, value in messages[0].items() %}{{ key }}={{ value }};{% endfor %}{{ messages[-1].role }}",
    "{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}",
    # Scopes
    "{% set found = 'none' %}" + EACH + "{% set found = m.role %}" + END + "{{ found }}",
    "{% set ns = namespace(found='none', n=0) %}"
    + EACH
    + "{% set ns.found = m.role %}{% set ns.n = ns.n + 1 %}"
    + END
    + "{{ ns.found }}{{ ns.n }}",
    "{% set text %}\n{{ bos_token }} x\n{% endset %}[{{ text }}]",
    "{% macro show(m, mark='-') %}{{ mark }}{{ m.content }}{{ mark }}{% endmacro %}"
    + EACH
    + "{{ show(m) }}{{ show(m, mark='+') }}"
    + END,
    "{% with a = 'x', b = 'y' %}{{ a ~ b ~ 1 }}{% endwith %}",
    # Filters
    EACH + "[{{ m.content | trim }}|{{ m.role | upper }}|{{ m.role | capitalize }}|{{ m.content | length }}]" + END,
    "{{ messages | selectattr('role', 'equalto', 'query') | map(attribute='content') | first }}",
    "{{ (messages | selectattr('role', 'eq', 'document') | list)[0].content }}"
    "{{ messages | map(attribute='role') | join(', ') }}",
    "{{ (messages | rejectattr('role', 'in', ['system', 'query']) | list | last).role }}{{ missing | default('d') }}"
    "{{ '' | default('e', true) }}{{ none | default('n') }}",
    "{{ 'a,b' | replace(',', ';') }}{{ 'abc' | reverse }}"
    "{{ [3, 1, 2] | sort | join }}{{ [1, 2] | sum }}{{ 'x' | string }}",
    "{{ messages | length }}{{ messages | count }}"
    "{{ (messages | list | length) + 1 }}{{ 'A b' | lower }}{{ 'a b' | title }}",
    "{{ '%s-%s' | format('a', 3) }}{{ ['a', 'b'] | last }}{{ 3.7 | int }}{{ '12' | int + 1 }}{{ -2 | abs }}",
    "{{ 'a\\nb' | indent(2) }}|{{ 'a\\nb' | indent(2, true) }}|{{ '<b>' | e }}|{{ '<b>' | safe }}",
    "{{ messages | tojson }}",
    # What strings and dictionaries can do in Python
    EACH + "{{ m.content.strip() }}|{{ m.content.lstrip('\\n') }}"
    "|{{ m.content.rstrip() }}|{{ m.role.upper() }}|{{ m.role.title() }}" + END,
    EACH
    + "{{ m.content.split('</think>')[-1] }}|{{ m.content.split() | join('+') }}|{{ m.content.startswith('e') }}"
    + END,
    EACH
    + "{{ m.get('name', 'anon') }}{{ m.get('role') }}{{ m.keys() | list | join }}{{ m.content.replace(' ', '_') }}"
    + END,
    EACH
    + "{{ m.content[:3] }}{{ m.content[-2:] }}{{ m.role[0] }}{{ m.content.endswith('\\n') }}{{ m.role.find('u') }}"
    + END,
    "{{ 'a-b-c'.split('-', 1)[1] }}{{ ' '.join(['x', 'y']) }}"
    "{{ 'abc'.count('b') }}{{ 'x'.isdigit() }}{{ 'ab'.capitalize() }}",
    "{{ 'query: ' + messages[0].content + eos_token }}{{ 'ab' * 3 }}{{ ([1] + [2]) | length }}",
    "{{ 'a\\tb' }}{{ \"it's\" }}{{ 'quoted \\'x\\'' }}{{ '\\\\n' }}{{ '\\u00e9' }}",
    # What fails
    "{{ raise_exception('roles must alternate') }}",
    "{{ missing.attribute }}",
    "{{ messages[9].role }}",
    "{{ messages[0].content.nothing() }}",
    "{{ 'a' + 1 }}",
    "{{ messages }}",
    "{{ 0.1 + 0.2 }}{{ 1 / 2 }}{{ 4 / 2 }}",
)


def write_all(root: Path) -> None:
    """tests/golden/chat_templates.json: each template with each conversation; null where Jinja gives up."""
    cases = []
    for template in TEMPLATES:
        rendered: list[str | None] = []
        for messages in CONVERSATIONS:
            try:
                rendered.append(render_jinja_template([messages], chat_template=template, **VARIABLES)[0][0])
            except Exception:  # whatever it is, there is no text
                rendered.append(None)
        cases.append({"template": template, "rendered": rendered})
    found = {"conversations": CONVERSATIONS, "variables": VARIABLES, "cases": cases}
    (root / "chat_templates.json").write_text(json.dumps(found, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")
    print(f"chat templates: {len(cases)}, with {len(CONVERSATIONS)} conversations each")
