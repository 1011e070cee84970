(const_spec name: (identifier) @name) @definition.constant
