((comment) @comment.documentation (#match? @comment.documentation "^/\\*\\*[^*/]"))
(escape_sequence) @escape
(class_declaration name: (_) @type)
(statement_identifier) @label
(decorator) @attribute
(hash_bang_line) @comment
(arrow_function parameter: (identifier) @variable.parameter)
(catch_clause parameter: (identifier) @variable.parameter)
["let" "const" "var" "function" "class"] @keyword
[";" "," "." ":"] @punctuation
