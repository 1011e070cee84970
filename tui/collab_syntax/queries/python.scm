; Behind the distribution's own: what it leaves out.
(decorator) @none
(decorator "@" @attribute)
(decorator (identifier) @attribute)
(decorator (attribute attribute: (identifier) @attribute))
(decorator (call function: (identifier) @attribute))
(decorator (call function: (attribute attribute: (identifier) @attribute)))

(call function: (attribute attribute: (identifier) @function))
(class_definition name: (identifier) @type)
(parameters (identifier) @variable.parameter)
(lambda_parameters (identifier) @variable.parameter)
(default_parameter name: (identifier) @variable.parameter)
(typed_parameter . (identifier) @variable.parameter)
(typed_default_parameter name: (identifier) @variable.parameter)
(list_splat_pattern (identifier) @variable.parameter)
(dictionary_splat_pattern (identifier) @variable.parameter)
(keyword_argument name: (identifier) @variable.parameter)
((identifier) @variable.builtin (#any-of? @variable.builtin "self" "cls"))
((identifier) @type
 (#match? @type "^[A-Z][A-Za-z0-9]*(Error|Exception|Warning)$"))
(import_from_statement module_name: (dotted_name (identifier) @namespace))
(import_statement name: (dotted_name (identifier) @namespace))
(type (identifier) @type)
["and" "in" "is" "not" "or" "is not" "not in" "type"] @keyword
["(" ")" "[" "]" "{" "}" "," ":" "." ";"] @punctuation
(interpolation ["{" "}"] @punctuation.special)

(module . (comment)* . (expression_statement (string) @comment.documentation))
(class_definition body: (block . (comment)* . (expression_statement (string) @comment.documentation)))
(function_definition body: (block . (comment)* . (expression_statement (string) @comment.documentation)))
