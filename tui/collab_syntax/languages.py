"""The languages that are known: their names, and what typing in them needs to know.

Order matters where a name fits two: the first wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Language:
    """A language as the shared setting names it; none of it is needed for colours.

    The regular expressions are for `regex`, linear in what they are given; bound that all the same.
    """

    id: str
    """What the shared setting and modelines say."""
    title: str
    aliases: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Patterns for `fnmatch` on the last part of a room's or a file's name, in lower case."""
    shebangs: tuple[str, ...] = ()
    """Interpreters, without version: "python" stands for "python3.12" too."""
    line_comment: str = ""
    block_comment: tuple[str, str] | None = None
    pairs: tuple[str, ...] = ("()", "[]", "{}", '""', "''")
    """What closes itself when its first half is typed."""
    indent_after: str = ""
    """Searched backwards in the text before the caret, to whose end it is bound: where it fits, a new line
    is a step deeper. "" never fits."""
    dedent_at: str = ""
    """Matched on a line without its indentation: where it fits, it is a step shallower. "" never fits."""


_BRACES: Final = r"[\[({]\s*(//.*|/\*.*\*/\s*)?$"
_SCRIPT: Final = _BRACES + r"|\bcase\b.*:\s*$|=>\s*$"
_CLOSING: Final = r"[\])}]"
_C_BLOCK: Final = ("/*", "*/")
_NO_APOSTROPHE: Final = ("()", "[]", "{}", '""')
_WITH_TICKS: Final = ("()", "[]", "{}", '""', "''", "``")

PLAIN: Final = Language(
    "text", "Plain text", ("plain", "plaintext", "txt", "none"), ("*.txt", "*.text", "*.log"), pairs=()
)

LANGUAGES: Final[tuple[Language, ...]] = (
    PLAIN,
    Language(
        "python",
        "Python",
        ("py", "python3", "pyi"),
        ("*.py", "*.pyi", "*.pyw", "sconstruct", "sconscript", "wscript", ".pythonrc"),
        ("python", "pypy"),
        "#",
        pairs=("()", "[]", "{}", '""', "''", '"""', "'''"),
        indent_after=r"[:\[({]\s*(#.*)?$",
        dedent_at=r"(else|finally)\s*:|(elif|except)\b|[\])}]",  # `else` alone may be of an expression
    ),
    Language(
        "javascript",
        "JavaScript",
        ("js", "jsx", "javascriptreact", "node", "ecmascript", "mjs", "js2"),
        ("*.js", "*.mjs", "*.cjs", "*.jsx"),
        ("node", "nodejs", "bun"),
        "//",
        _C_BLOCK,
        _WITH_TICKS,
        _SCRIPT,
        _CLOSING,
    ),
    Language(
        "tsx",
        "TSX",
        ("typescriptreact", "typescript.tsx"),
        ("*.tsx",),
        (),
        "//",
        _C_BLOCK,
        _WITH_TICKS,
        _SCRIPT,
        _CLOSING,
    ),
    Language(
        "typescript",
        "TypeScript",
        ("ts", "mts", "cts"),
        ("*.ts", "*.mts", "*.cts"),
        ("deno", "ts-node", "tsx"),
        "//",
        _C_BLOCK,
        _WITH_TICKS,
        _SCRIPT,
        _CLOSING,
    ),
    Language(
        "rust",
        "Rust",
        ("rs",),
        ("*.rs",),
        ("rust-script", "cargo"),
        "//",
        _C_BLOCK,
        _NO_APOSTROPHE,  # lifetimes
        _BRACES,
        _CLOSING,
    ),
    Language(
        "go",
        "Go",
        ("golang",),
        ("*.go",),
        (),
        "//",
        _C_BLOCK,
        _WITH_TICKS,
        r"[\[({]\s*(//.*|/\*.*\*/\s*)?$|^\s*(case\b.*|default\s*):\s*$",
        _CLOSING,
    ),
    Language(
        "c", "C", ("h",), ("*.c", "*.h"), ("tcc",), "//", _C_BLOCK, indent_after=_BRACES, dedent_at=_CLOSING
    ),
    Language(
        "cpp",
        "C++",
        ("c++", "cxx", "cc", "hpp"),
        (
            "*.cpp",
            "*.cc",
            "*.cxx",
            "*.c++",
            "*.hpp",
            "*.hh",
            "*.hxx",
            "*.h++",
            "*.ipp",
            "*.inl",
            "*.tpp",
            "*.ino",
        ),
        (),
        "//",
        _C_BLOCK,
        indent_after=_BRACES,
        dedent_at=_CLOSING,
    ),
    Language(
        "java", "Java", (), ("*.java",), ("java",), "//", _C_BLOCK, indent_after=_BRACES, dedent_at=_CLOSING
    ),
    Language(
        "html",
        "HTML",
        ("htm", "xhtml"),
        ("*.html", "*.htm", "*.xhtml"),
        (),
        "",
        ("<!--", "-->"),
        indent_after=(
            r"<(?!area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)[A-Za-z][\w:-]*(\s[^<>]*)?(?<!/)>\s*$"
        ),
        dedent_at=r"</",
    ),
    Language(
        "css",
        "CSS",
        (),
        ("*.css",),
        (),
        "",
        _C_BLOCK,
        indent_after=r"[{(]\s*(/\*.*\*/\s*)?$",
        dedent_at=r"[})]",
    ),
    Language(
        "json",
        "JSON",
        ("jsonc", "json5", "geojson", "webmanifest"),
        (
            "*.json",
            "*.jsonc",
            "*.geojson",
            "*.webmanifest",
            "*.ipynb",
            ".prettierrc",
            ".babelrc",
            "composer.lock",
        ),
        (),
        "",
        None,
        ("[]", "{}", '""'),
        r"[\[{]\s*$",
        r"[\]}]",
    ),
    Language(
        "yaml",
        "YAML",
        ("yml",),
        ("*.yaml", "*.yml", ".clang-format", ".clang-tidy", "citation.cff"),
        (),
        "#",
        indent_after=r"(:|[\[({]|[:-]\s+[|>][+-]?\d?)\s*(#.*)?$",
        dedent_at=r"[\])}]",
    ),
    Language(
        "toml",
        "TOML",
        (),
        ("*.toml", "cargo.lock", "poetry.lock", "uv.lock", "pdm.lock", "pipfile"),
        (),
        "#",
        indent_after=r"[\[{]\s*(#.*)?$",
        dedent_at=r"[\]}]",
    ),
    Language(
        "markdown",
        "Markdown",
        ("md", "mkd", "gfm"),
        ("*.md", "*.markdown", "*.mkd", "*.mdown", "readme", "changelog"),
        (),
        "",
        ("<!--", "-->"),
        ("()", "[]", "{}", '""', "``"),
    ),
    Language(
        "bash",
        "Bash",
        ("sh", "shell", "zsh", "ksh", "shellscript", "shell-script", "dash"),
        (
            "*.sh",
            "*.bash",
            "*.zsh",
            "*.ksh",
            "*.bats",
            "*.ebuild",
            ".bashrc",
            ".bash_profile",
            ".bash_aliases",
            ".bash_logout",
            ".profile",
            ".zshrc",
            ".zshenv",
            ".zprofile",
            "pkgbuild",
            "apkbuild",
            ".envrc",
        ),
        ("bash", "sh", "dash", "zsh", "ksh", "ash"),
        "#",
        None,
        _WITH_TICKS,
        r"(\b(then|do|else|in)|[{(])\s*(#.*)?$",
        r"(fi|done|else|elif|esac)\b|[})]",
    ),
    Language(
        "sql",
        "SQL",
        ("mysql", "pgsql", "postgresql", "sqlite", "plsql"),
        ("*.sql", "*.ddl", "*.dml", "*.psql"),
        (),
        "--",
        _C_BLOCK,
        indent_after=r"\(\s*(--.*)?$",
        dedent_at=r"\)",
    ),
    Language(
        "dockerfile",
        "Dockerfile",
        ("docker", "containerfile"),
        ("dockerfile", "dockerfile.*", "*.dockerfile", "containerfile", "containerfile.*", "*.containerfile"),
        (),
        "#",
        indent_after=r"\\\s*$",
    ),
    Language("diff", "Diff", ("patch", "udiff"), ("*.diff", "*.patch", "*.rej"), pairs=()),
    Language(
        "gitcommit",
        "Git commit",
        ("git-commit", "commit"),
        ("commit_editmsg", "merge_msg", "squash_msg", "tag_editmsg", "notes_editmsg"),
        (),
        "#",
        pairs=("()", "[]", "{}", '""', "``"),
    ),
)

by_id: Final[Mapping[str, Language]] = MappingProxyType({language.id: language for language in LANGUAGES})

_by_name: Final[Mapping[str, Language]] = MappingProxyType(
    {name: language for language in LANGUAGES for name in (language.id, *language.aliases)}
)


def find(name: str) -> Language | None:
    """Return the language whose id or alias is `name`, in whatever case."""
    return _by_name.get(name.casefold())
