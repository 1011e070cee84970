(property_signature name: (property_identifier) @property)
(method_signature name: (property_identifier) @function)
(enum_declaration name: (identifier) @type)
(internal_module name: (identifier) @namespace)
(this_type) @variable.builtin
["is" "infer" "asserts" "module" "global"] @keyword
