"""Grammars and their queries, as the distributions bring them, with ours put behind.

A query's later pattern wins over an earlier one on the same node; that is why a language that builds on
another has its own queries last. In `queries/` lies what theirs leave out: `NAME.scm` for colours,
`NAME.symbols.scm` for names, `NAME.injections.scm` for text of another language.

py-tree-sitter 0.26.1 crashes in the garbage collector after a `Query` was freed (its issue 435 looks the
same): queries are kept as long as the process lives, which is what `Grammars` is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from tree_sitter import Language, Parser, Query

from collab_syntax.kinds import Kind


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a grammar and its queries are: "package:path", or "own:name" for a file in `queries/`."""

    package: str
    function: str = "language"
    highlights: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    injections: str = ""


_JAVASCRIPT: Final = (
    "tree_sitter_javascript:queries/highlights.scm",
    "tree_sitter_javascript:queries/highlights-params.scm",
)
_JSX: Final = "tree_sitter_javascript:queries/highlights-jsx.scm"
_TYPESCRIPT: Final = "tree_sitter_typescript:queries/highlights.scm"
_TYPESCRIPT_SYMBOLS: Final = (
    "tree_sitter_javascript:queries/tags.scm",
    "tree_sitter_typescript:queries/tags.scm",
    "own:typescript.symbols",
)

_SOURCES: Final[Mapping[str, _Source]] = MappingProxyType(
    {
        "python": _Source(
            "tree_sitter_python",
            highlights=("tree_sitter_python:queries/highlights.scm", "own:python"),
            symbols=("tree_sitter_python:queries/tags.scm",),
        ),
        "javascript": _Source(
            "tree_sitter_javascript",
            highlights=(_JAVASCRIPT[0], _JSX, _JAVASCRIPT[1], "own:javascript"),
            symbols=("tree_sitter_javascript:queries/tags.scm",),
        ),
        "typescript": _Source(
            "tree_sitter_typescript",
            "language_typescript",
            highlights=(_JAVASCRIPT[0], _TYPESCRIPT, "own:javascript", "own:typescript"),
            symbols=_TYPESCRIPT_SYMBOLS,
        ),
        "tsx": _Source(
            "tree_sitter_typescript",
            "language_tsx",
            highlights=(_JAVASCRIPT[0], _TYPESCRIPT, _JSX, "own:javascript", "own:typescript"),
            symbols=_TYPESCRIPT_SYMBOLS,
        ),
        "rust": _Source(
            "tree_sitter_rust",
            highlights=("tree_sitter_rust:queries/highlights.scm", "own:rust"),
            symbols=("tree_sitter_rust:queries/tags.scm", "own:rust.symbols"),
        ),
        "go": _Source(
            "tree_sitter_go",
            highlights=("tree_sitter_go:queries/highlights.scm", "own:go"),
            symbols=("tree_sitter_go:queries/tags.scm", "own:go.symbols"),
        ),
        "c": _Source(
            "tree_sitter_c",
            highlights=("tree_sitter_c:queries/highlights.scm", "own:c"),
            symbols=("tree_sitter_c:queries/tags.scm",),
        ),
        "cpp": _Source(
            "tree_sitter_cpp",
            highlights=(
                "tree_sitter_c:queries/highlights.scm",
                "own:c",
                "tree_sitter_cpp:queries/highlights.scm",
                "own:cpp",
            ),
            symbols=("tree_sitter_cpp:queries/tags.scm", "own:cpp.symbols"),
        ),
        "java": _Source(
            "tree_sitter_java",
            highlights=("tree_sitter_java:queries/highlights.scm", "own:java"),
            symbols=("tree_sitter_java:queries/tags.scm", "own:java.symbols"),
        ),
        "html": _Source(
            "tree_sitter_html",
            highlights=("tree_sitter_html:queries/highlights.scm", "own:html"),
            injections="html",
        ),
        "css": _Source(
            "tree_sitter_css",
            highlights=("tree_sitter_css:queries/highlights.scm", "own:css"),
            symbols=("own:css.symbols",),
        ),
        "json": _Source("tree_sitter_json", highlights=("own:json",), symbols=("own:json.symbols",)),
        "yaml": _Source(
            "tree_sitter_yaml",
            highlights=("tree_sitter_yaml:queries/highlights.scm",),
            symbols=("own:yaml.symbols",),
        ),
        "toml": _Source("tree_sitter_toml", highlights=("own:toml",), symbols=("own:toml.symbols",)),
        "markdown": _Source(
            "tree_sitter_markdown",
            highlights=("tree_sitter_markdown:queries/markdown/highlights.scm", "own:markdown"),
            symbols=("own:markdown.symbols",),
            injections="markdown",
        ),
        "markdown_inline": _Source(
            "tree_sitter_markdown",
            "inline_language",
            highlights=("tree_sitter_markdown:queries/markdown_inline/highlights.scm",),
        ),
        "bash": _Source(
            "tree_sitter_bash",
            highlights=("tree_sitter_bash:queries/highlights.scm", "own:bash"),
            symbols=("own:bash.symbols",),
        ),
        "sql": _Source(
            "tree_sitter_sql",
            highlights=("tree_sitter_sql:queries/highlights.scm", "own:sql"),
            symbols=("own:sql.symbols",),
        ),
        "dockerfile": _Source(
            "tree_sitter_containerfile",
            highlights=("tree_sitter_containerfile:queries/highlights.scm", "own:dockerfile"),
            symbols=("own:dockerfile.symbols",),
            injections="dockerfile",
        ),
    }
)

_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "none": Kind.NONE,
        "embedded": Kind.NONE,
        "comment": Kind.COMMENT,
        "comment.documentation": Kind.DOC,
        "string": Kind.STRING,
        "string.escape": Kind.ESCAPE,
        "string.special.key": Kind.PROPERTY,
        "character": Kind.STRING,
        "escape": Kind.ESCAPE,
        "number": Kind.NUMBER,
        "float": Kind.NUMBER,
        "boolean": Kind.CONSTANT,
        "constant": Kind.CONSTANT,
        "keyword": Kind.KEYWORD,
        "conditional": Kind.KEYWORD,
        "storageclass": Kind.KEYWORD,
        "type.qualifier": Kind.KEYWORD,
        "operator": Kind.OPERATOR,
        "punctuation": Kind.PUNCTUATION,
        "delimiter": Kind.PUNCTUATION,
        "function": Kind.FUNCTION,
        "constructor": Kind.TYPE,
        "type": Kind.TYPE,
        "variable.builtin": Kind.VARIABLE,
        "variable.parameter": Kind.PARAMETER,
        "parameter": Kind.PARAMETER,
        "property": Kind.PROPERTY,
        "field": Kind.PROPERTY,
        "tag": Kind.TAG,
        "tag.error": Kind.ERROR,
        "attribute": Kind.ATTRIBUTE,
        "namespace": Kind.NAMESPACE,
        "module": Kind.NAMESPACE,
        "label": Kind.LABEL,
        "text.title": Kind.HEADING,
        "text.literal": Kind.CODE,
        "text.uri": Kind.LINK,
        "text.reference": Kind.LINK,
        "text.emphasis": Kind.EMPHASIS,
        "text.strong": Kind.STRONG,
    }
)
"""By a capture's name or the longest beginning of it, dots and all; what isn't named here gives no colour."""


class Grammar:
    """A grammar that is loaded, with its queries, each made when it is first asked for."""

    def __init__(self, name: str) -> None:
        """Load the grammar of a language's id.

        Raises:
            KeyError: there is none.
            ImportError: its distribution is missing.
        """
        self.name = name
        self._source = _SOURCES[name]
        self.language = Language(getattr(import_module(self._source.package), self._source.function)())

    def parser(self) -> Parser:
        """Return a new parser of this grammar."""
        return Parser(self.language)

    @cached_property
    def highlights(self) -> Query:
        """The query whose captures are kinds; see `kind_of`."""
        return Query(self.language, _read(self._source.highlights))

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The kind of each capture of `highlights` that has one."""
        query = self.highlights
        names = [query.capture_name(index) for index in range(query.capture_count)]
        return {name: kind for name in names if (kind := kind_of(name)) is not None}

    @cached_property
    def symbols(self) -> Query | None:
        """The query that captures names as `name` and what they name as `definition.KIND`."""
        if not self._source.symbols:
            return None
        source = _read(self._source.symbols)
        query = Query(self.language, source)
        encoded = source.encode()
        for index in range(query.pattern_count):
            pattern = encoded[query.start_byte_for_pattern(index) : query.end_byte_for_pattern(index)]
            if b"@definition." not in pattern:
                query.disable_pattern(index)
        return query

    @cached_property
    def injections(self) -> Query | None:
        """The query that captures text of language X as `inject.X`, or as `inject` beside `language`."""
        if not self._source.injections:
            return None
        return Query(self.language, _read((f"own:{self._source.injections}.injections",)))


class Grammars:
    """The grammars of this process, each loaded once and kept. Let it go only with the process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._loaded: dict[str, Grammar] = {}

    def get(self, name: str) -> Grammar:
        """Return the grammar of a language's id.

        Raises:
            KeyError: there is none.
            ImportError: its distribution is missing.
        """
        if name not in self._loaded:
            self._loaded[name] = Grammar(name)
        return self._loaded[name]


def grammar_names() -> frozenset[str]:
    """Return the ids of the languages that have a grammar, `markdown_inline` among them."""
    return frozenset(_SOURCES)


def kind_of(capture: str) -> Kind | None:
    """Return the kind a capture's name stands for, None for no opinion; NONE takes an outer colour away."""
    while capture:
        if (kind := _KINDS.get(capture)) is not None:
            return kind
        capture = capture.rpartition(".")[0]
    return None


def _read(sources: tuple[str, ...]) -> str:
    texts = []
    for source in sources:
        package, _, path = source.partition(":")
        where = (
            files("collab_syntax") / "queries" / f"{path}.scm" if package == "own" else files(package) / path
        )
        texts.append(where.read_text("utf-8"))
    return "\n".join(texts)
