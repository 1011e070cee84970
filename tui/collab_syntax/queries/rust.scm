((identifier) @constant (#match? @constant "^[A-Z][A-Z0-9_]+$"))
(integer_literal) @number
(float_literal) @number
(self) @variable.builtin
(lifetime ["'" (identifier)] @label)
(mod_item name: (identifier) @namespace)
(macro_definition name: (identifier) @function)
(const_item name: (identifier) @constant)
(static_item name: (identifier) @constant)
(closure_parameters (identifier) @variable.parameter)
(binary_expression "/" @operator)
(unary_expression "!" @operator)
["-" "+" "%" "=" "==" "!=" "<" ">" "<=" ">=" "&&" "||" "+=" "-=" "*=" "/=" "|" "^" "->" "=>" ".." "..=" "?"] @operator
(attribute_item ["#" "[" "]"] @attribute)
(inner_attribute_item ["#" "!" "[" "]"] @attribute)
