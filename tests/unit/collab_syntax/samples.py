"""Short texts in every language, and what some of their words are."""

# ruff: noqa: E501 - a table of texts

from __future__ import annotations

from typing import Final

from collab_syntax.document import Document
from collab_syntax.grammars import Grammars, grammar_names
from collab_syntax.kinds import Kind, Run
from collab_syntax.line_scanner import LineDocument

GRAMMARS: Final = Grammars()
"""Kept for as long as the tests run: see `collab_syntax.grammars`."""


def open_document(language: str, text: str) -> Document | LineDocument:
    """Return a document, by grammar or by scanner."""
    if language in grammar_names():
        return Document(GRAMMARS, language, text.encode())
    return LineDocument(language, text.encode())


def colours(language: str, text: str) -> list[list[Run]]:
    """Return the runs of all rows, freshly made."""
    return open_document(language, text).colours((0, 499))[0][1]


def kind_of(rows: list[list[Run]], text: str, word: str, nth: int = 0) -> Kind | None:
    """Return the kind of the `nth` place where `word` stands; None if it has several."""
    at = -1
    for _ in range(nth + 1):
        at = text.index(word, at + 1)
    row = text.count("\n", 0, at)
    column = at - (text.rfind("\n", 0, at) + 1)
    kinds = {
        next((Kind(kind) for start, end, kind in rows[row] if start <= place < end), Kind.NONE)
        for place in range(column, column + len(word))
    }
    return kinds.pop() if len(kinds) == 1 else None


SAMPLES: Final[dict[str, tuple[str, list[tuple[str, Kind]]]]] = {
    "python": (
        (
            '"""Doc é."""\nimport os.path\n\n@wraps(x)\nclass Boat(Base):\n    def sail(self, to, *, fast=True):\n'
            '        # why\n        return self.go(to, f"a\\n{len(to)}", 12.5) or None\n'
        ),
        [
            ('"""Doc é."""', Kind.DOC),
            ("import", Kind.KEYWORD),
            ("os", Kind.NAMESPACE),
            ("wraps", Kind.ATTRIBUTE),
            ("Boat", Kind.TYPE),
            ("def", Kind.KEYWORD),
            ("sail", Kind.FUNCTION),
            ("self", Kind.VARIABLE),
            ("to", Kind.PARAMETER),
            ("True", Kind.CONSTANT),
            ("# why", Kind.COMMENT),
            ("\\n", Kind.ESCAPE),
            ("len", Kind.FUNCTION),
            ("12.5", Kind.NUMBER),
            ("or None", None),
            ("go", Kind.FUNCTION),
        ],
    ),
    "javascript": (
        (
            "/** Says. */\nclass Dog extends Pet {\n  bark(loud) { return this.name + `a ${loud} b` + 'x\\n' + 3; }\n}\n"
            'const go = async (n) => { go(n); }; // end\nconst v = <b id="q">t</b>;\n'
        ),
        [
            ("/** Says. */", Kind.DOC),
            ("class", Kind.KEYWORD),
            ("Dog", Kind.TYPE),
            ("bark", Kind.FUNCTION),
            ("loud", Kind.PARAMETER),
            ("this", Kind.VARIABLE),
            ("name", Kind.PROPERTY),
            ("'x", Kind.STRING),
            ("\\n", Kind.ESCAPE),
            ("3", Kind.NUMBER),
            ("go", Kind.FUNCTION),
            ("// end", Kind.COMMENT),
            ("id", Kind.ATTRIBUTE),
        ],
    ),
    "typescript": (
        "interface Cat { name: string }\nexport function feed<T>(cat: Cat, n?: number): void { let x = 'm'; }\nenum Hue { Red }\n",
        [
            ("interface", Kind.KEYWORD),
            ("Cat", Kind.TYPE),
            ("name", Kind.PROPERTY),
            ("string", Kind.TYPE),
            ("function", Kind.KEYWORD),
            ("feed", Kind.FUNCTION),
            ("cat", Kind.PARAMETER),
            ("'m'", Kind.STRING),
            ("Hue", Kind.TYPE),
        ],
    ),
    "tsx": (
        'const App = (p: Props) => <div className="a">{p.x}</div>;\n',
        [
            ("const", Kind.KEYWORD),
            ("Props", Kind.TYPE),
            ("div", Kind.TAG),
            ("className", Kind.ATTRIBUTE),
            ('"a"', Kind.STRING),
        ],
    ),
    "rust": (
        (
            "/// Doc\nuse std::fmt;\n#[derive(Debug)]\npub struct Point<'a> { x: &'a i32 }\n"
            'fn area(side: u64) -> u64 { println!("a\\n"); side * 75 } // c\n'
        ),
        [
            ("/// Doc", Kind.DOC),
            ("use", Kind.KEYWORD),
            ("#[derive", Kind.ATTRIBUTE),
            ("Point", Kind.TYPE),
            ("i32", Kind.TYPE),
            ("fn", Kind.KEYWORD),
            ("area", Kind.FUNCTION),
            ("side", Kind.PARAMETER),
            ("println!", Kind.FUNCTION),
            ("\\n", Kind.ESCAPE),
            ("75", Kind.NUMBER),
            ("// c", Kind.COMMENT),
        ],
    ),
    "go": (
        'package main\n\n// Run it.\nfunc (s *Server) Run(port int) error {\n\ts.log("x\\t", port)\n\treturn nil\n}\nconst Max = 10\n',
        [
            ("package", Kind.KEYWORD),
            ("main", Kind.NAMESPACE),
            ("// Run it.", Kind.COMMENT),
            ("func", Kind.KEYWORD),
            ("Server", Kind.TYPE),
            ("Run(", None),
            ("port", Kind.PARAMETER),
            ("log", Kind.FUNCTION),
            ("\\t", Kind.ESCAPE),
            ("nil", Kind.CONSTANT),
            ("Max", Kind.CONSTANT),
            ("10", Kind.NUMBER),
        ],
    ),
    "c": (
        "#include <stdio.h>\n#define MAX 10\n/* c */\nstatic int add(int a, char *b) {\n  p->len = MAX;\n  return printf(\"x\\n\", 'c') + 2;\n}\n",
        [
            ("#include", Kind.KEYWORD),
            ("<stdio.h>", Kind.STRING),
            ("MAX", Kind.CONSTANT),
            ("/* c */", Kind.COMMENT),
            ("static", Kind.KEYWORD),
            ("int", Kind.TYPE),
            ("add", Kind.FUNCTION),
            ("len", Kind.PROPERTY),
            ("return", Kind.KEYWORD),
            ("printf", Kind.FUNCTION),
            ("\\n", Kind.ESCAPE),
            ("'c'", Kind.STRING),
            ("2", Kind.NUMBER),
        ],
    ),
    "cpp": (
        (
            "namespace sea { class Boat : public Base { public: virtual void sail(const Wind& w); }; }\n"
            "int main() { auto b = std::make_unique<Boat>(); this->x = nullptr; return 0; } // e\n"
        ),
        [
            ("namespace", Kind.KEYWORD),
            ("sea", Kind.NAMESPACE),
            ("class", Kind.KEYWORD),
            ("Boat", Kind.TYPE),
            ("virtual", Kind.KEYWORD),
            ("sail", Kind.FUNCTION),
            ("Wind", Kind.TYPE),
            ("auto", Kind.TYPE),
            ("this", Kind.VARIABLE),
            ("nullptr", Kind.CONSTANT),
            ("0", Kind.NUMBER),
            ("// e", Kind.COMMENT),
        ],
    ),
    "java": (
        'package a.b;\n/** D */\n@Override\npublic class Cat extends Pet {\n  int age(String name) { return this.n + MAX + "s\\n" + 4; } // c\n}\n',
        [
            ("package", Kind.KEYWORD),
            ("/** D */", Kind.DOC),
            ("@Override", Kind.ATTRIBUTE),
            ("public", Kind.KEYWORD),
            ("Cat", Kind.TYPE),
            ("int", Kind.TYPE),
            ("age(", None),
            ("String", Kind.TYPE),
            ("name", Kind.PARAMETER),
            ("this", Kind.VARIABLE),
            ("MAX", Kind.CONSTANT),
            ("\\n", Kind.ESCAPE),
            ("4", Kind.NUMBER),
            ("// c", Kind.COMMENT),
        ],
    ),
    "html": (
        '<!DOCTYPE html>\n<!-- c -->\n<p class="a">x &amp; y</p>\n<script>let a = 1;</script>\n<style>p { color: red }</style>\n',
        [
            ("<!-- c -->", Kind.COMMENT),
            ("p", Kind.TAG),
            ("class", Kind.ATTRIBUTE),
            ('"a"', Kind.STRING),
            ("&amp;", Kind.ESCAPE),
            ("let", Kind.KEYWORD),
            ("1", Kind.NUMBER),
            ("color", Kind.PROPERTY),
        ],
    ),
    "css": (
        "/* c */\n@media print { .box > a:hover { color: #fff; width: 10px; --x: url('a'); } }\n#side { margin: 0 }\n",
        [
            ("/* c */", Kind.COMMENT),
            ("@media", Kind.KEYWORD),
            ("box", Kind.TYPE),
            ("hover", Kind.ATTRIBUTE),
            ("color", Kind.PROPERTY),
            ("fff", Kind.NUMBER),
            ("10", Kind.NUMBER),
            ("'a'", Kind.STRING),
            ("side", Kind.LABEL),
        ],
    ),
    "json": (
        '{"a": ["s\\n", 1.5, true, null]}\n',
        [
            ('"a"', Kind.PROPERTY),
            ('"s', Kind.STRING),
            ("\\n", Kind.ESCAPE),
            ("1.5", Kind.NUMBER),
            ("true", Kind.CONSTANT),
            (":", Kind.PUNCTUATION),
        ],
    ),
    "yaml": (
        '# c\nname: "x"\non: &anchor\n  - 12\n  - true\n  - plain text\n',
        [
            ("# c", Kind.COMMENT),
            ("name", Kind.PROPERTY),
            ('"x"', Kind.STRING),
            ("anchor", Kind.LABEL),
            ("12", Kind.NUMBER),
            ("true", Kind.CONSTANT),
            ("plain text", Kind.STRING),
            ("-", Kind.PUNCTUATION),
        ],
    ),
    "toml": (
        '# c\n[tool.x]\nname = "a\\n"\nsize = 3\nflag = true\nday = 2024-01-01\n',
        [
            ("# c", Kind.COMMENT),
            ("tool", Kind.TYPE),
            ("name", Kind.PROPERTY),
            ('"a', Kind.STRING),
            ("\\n", Kind.ESCAPE),
            ("3", Kind.NUMBER),
            ("true", Kind.CONSTANT),
            ("2024-01-01", Kind.NUMBER),
            ("=", Kind.OPERATOR),
        ],
    ),
    "markdown": (
        "# Title\n\nSome *soft* and **hard** `code` [link](http://a.b).\n\n- item\n\n> quote *two\n> lines*\n\n```python\nreturn 1\n```\n\n```\nbare\n```\n",
        [
            ("Title", Kind.HEADING),
            ("soft", Kind.EMPHASIS),
            ("hard", Kind.STRONG),
            ("code", Kind.CODE),
            ("link", Kind.LINK),
            ("http://a.b", Kind.LINK),
            ("-", Kind.PUNCTUATION),
            ("two", Kind.EMPHASIS),
            ("lines", Kind.EMPHASIS),
            ("return", Kind.KEYWORD),
            ("1", Kind.NUMBER),
            ("bare", Kind.CODE),
        ],
    ),
    "bash": (
        '#!/bin/bash\n# c\ngreet() {\n  local name="$1"\n  if [ -n "$name" ]; then echo "hi ${name}" > out; fi\n}\nls -la | grep x\n',
        [
            ("# c", Kind.COMMENT),
            ("greet", Kind.FUNCTION),
            ("local", Kind.KEYWORD),
            ("if", Kind.KEYWORD),
            ("then", Kind.KEYWORD),
            ("echo", Kind.FUNCTION),
            ('"hi ', Kind.STRING),
            ("$name", Kind.VARIABLE),
            ("ls", Kind.FUNCTION),
            ("-la", Kind.CONSTANT),
            ("|", Kind.OPERATOR),
        ],
    ),
    "sql": (
        "-- c\nSELECT name, count(*) FROM boats WHERE id = 12 AND kind = 'sail';\nCREATE TABLE t (a INT);\n",
        [
            ("-- c", Kind.COMMENT),
            ("SELECT", Kind.KEYWORD),
            ("name", Kind.PROPERTY),
            ("count", Kind.FUNCTION),
            ("boats", Kind.TYPE),
            ("12", Kind.NUMBER),
            ("'sail'", Kind.STRING),
            ("CREATE", Kind.KEYWORD),
            ("=", Kind.OPERATOR),
            ("INT", Kind.TYPE),
        ],
    ),
    "dockerfile": (
        '# c\nFROM python:3.12 AS base\nENV A=1\nRUN echo "hi" && ls -l\nCMD ["run"]\nEXPOSE 80\n',
        [
            ("# c", Kind.COMMENT),
            ("FROM", Kind.KEYWORD),
            ("python", Kind.TYPE),
            ("AS", Kind.KEYWORD),
            ("RUN", Kind.KEYWORD),
            ("echo", Kind.FUNCTION),
            ('"hi"', Kind.STRING),
            ("CMD", Kind.KEYWORD),
            ('"run"', Kind.STRING),
            ("80", Kind.NUMBER),
        ],
    ),
    "diff": (
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@ def f\n same\n--- gone\n-out\n+in\n",
        [
            ("diff --git a/x b/x", Kind.HEADING),
            ("--- a/x", Kind.HEADING),
            ("@@ -1,3 +1,2 @@", Kind.CHANGED),
            (" def f", Kind.FUNCTION),
            ("same", Kind.NONE),
            ("--- gone", Kind.DELETED),
            ("-out", Kind.DELETED),
            ("+in", Kind.INSERTED),
        ],
    ),
    "gitcommit": (
        (
            "Subject here\n\nBody text\n\nReviewed-by: ana\n# comment\n# ------------------------ >8 ------------------------\n"
            "diff --git a/x b/x\n@@ -1 +1 @@\n-old\n+new\n"
        ),
        [
            ("Subject here", Kind.HEADING),
            ("Body text", Kind.NONE),
            ("Reviewed-by", Kind.PROPERTY),
            ("# comment", Kind.COMMENT),
            ("-old", Kind.DELETED),
            ("+new", Kind.INSERTED),
        ],
    ),
}
