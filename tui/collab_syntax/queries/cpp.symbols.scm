(namespace_definition name: (namespace_identifier) @name) @definition.module
(function_definition declarator: (function_declarator declarator: (identifier) @name)) @definition.function
(function_definition declarator: (function_declarator declarator: (field_identifier) @name)) @definition.method
(function_declarator
  declarator: (qualified_identifier name: (qualified_identifier name: (identifier) @name))) @definition.method
