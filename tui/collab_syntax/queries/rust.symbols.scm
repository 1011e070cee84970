(impl_item type: (_) @name) @definition.implementation
(trait_item name: (type_identifier) @name) @definition.interface
(enum_item name: (type_identifier) @name) @definition.type
(type_item name: (type_identifier) @name) @definition.type
(const_item name: (identifier) @name) @definition.constant
(static_item name: (identifier) @name) @definition.constant
