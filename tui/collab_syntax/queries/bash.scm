((command_name) @keyword
 (#any-of? @keyword "return" "exit" "break" "continue" "shift" "source" "." "eval" "exec" "trap"))
(command_substitution) @none
(string (expansion) @none)
(simple_expansion ["$" (_)] @variable.builtin)
(expansion ["${" "}"] @punctuation)
(expansion (variable_name) @variable.builtin)
(heredoc_end) @string
(heredoc_start) @label
(ansi_c_string) @string
(regex) @string
(number) @number
["local" "declare" "readonly" "typeset"] @keyword
["||" "<<" "<<<" "&>" ">&" "=" "==" "!=" "+="] @operator
["(" ")" "((" "))" "[" "]" "[[" "]]" "{" "}" ";" ";;"] @punctuation
