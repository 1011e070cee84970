(escape_sequence) @escape
(char_literal) @string
[(true) (false)] @constant
(preproc_def name: (identifier) @constant)
(enumerator name: (identifier) @constant)
(parameter_declaration declarator: (identifier) @variable.parameter)
(parameter_declaration declarator: (pointer_declarator declarator: (identifier) @variable.parameter))
(preproc_arg) @none
["goto" "register" "#include"] @keyword
["!" "~" "/" "%" "|" "^" "<<" ">>" "<=" ">=" "--" "*=" "/=" "%=" "|=" "&=" "^=" "<<=" ">>=" "?"] @operator
["(" ")" "[" "]" "{" "}" "," ":" ";" "."] @punctuation
((comment) @comment.documentation (#match? @comment.documentation "^(/\\*\\*[^*/]|///)"))
