((literal) @string (#match? @string "^['\"]"))
