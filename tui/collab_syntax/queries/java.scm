(annotation ["@" (identifier)] @attribute)
(marker_annotation ["@" (identifier)] @attribute)
(record_declaration name: (identifier) @type)
(formal_parameter name: (identifier) @variable.parameter)
(field_access field: (identifier) @property)
((field_access field: (identifier) @constant) (#match? @constant "^[A-Z][A-Z0-9_]+$"))
(package_declaration (scoped_identifier) @namespace)
((block_comment) @comment.documentation (#match? @comment.documentation "^/\\*\\*[^*/]"))
["+" "-" "*" "/" "%" "=" "==" "!=" "<" ">" "<=" ">=" "&&" "||" "!" "+=" "-=" "*=" "/=" "++" "--" "&" "|" "^" "->" "?"] @operator
["(" ")" "[" "]" "{" "}" "," ";" "."] @punctuation
