; The distribution's are written for a highlighter in which the first pattern wins: again what it covers up.
(function_declaration name: (identifier) @function)
(method_declaration name: (field_identifier) @function)
(call_expression function: (identifier) @function)
(call_expression function: (selector_expression field: (field_identifier) @function))
(parameter_declaration name: (identifier) @variable.parameter)
(variadic_parameter_declaration name: (identifier) @variable.parameter)
(package_identifier) @namespace
(const_spec name: (identifier) @constant)
(label_name) @label
[(true) (false) (nil) (iota)] @constant
["(" ")" "[" "]" "{" "}" "," ";" "." ":"] @punctuation
