(namespace_identifier) @namespace
((namespace_identifier) @type (#match? @type "^[A-Z]"))
(parameter_declaration declarator: (reference_declarator (identifier) @variable.parameter))
["::"] @punctuation
