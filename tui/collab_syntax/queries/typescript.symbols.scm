(internal_module name: (identifier) @name) @definition.module
(enum_declaration name: (identifier) @name) @definition.type
(type_alias_declaration name: (type_identifier) @name) @definition.type
