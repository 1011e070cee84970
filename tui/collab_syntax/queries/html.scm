["=" "<!"] @punctuation
(entity) @escape
(doctype) @keyword
(quoted_attribute_value) @string
